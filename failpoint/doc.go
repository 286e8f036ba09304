// Package failpoint lets tests kill the process, or fail the disk, at a named
// place in the code, and learn what a power cut would have left. It is compiled
// in with the build tag failpoints only: without it everything here is nothing.
//
//	failpoint.Hit("settle/journalled")              // a place to be killed at
//	if err := failpoint.Fail("journal/sync"); err != nil // a place to fail at
//	failpoint.Synced(file)                          // the disk has acknowledged this
//
// The environment says what happens:
//
//	TALLYGATE_FAILPOINTS=FILE  read again whenever it changes; lines of
//	    settle/journalled kill 3       SIGKILL at the third hit from now
//	    journal/sync EIO 5 50          hits 5 to 54 fail with EIO (also ENOSPC, EROFS, EOPNOTSUPP)
//	TALLYGATE_HITS=FILE        gets the name of every place when it is first hit
//	TALLYGATE_SHADOW=DIR       keeps what is durable of TALLYGATE_SHADOW_OF=DIR, see shadow.go
//	TALLYGATE_WALL=FILE        holds a duration by which the wall clock is off
//	TALLYGATE_BOOT=ID          another boot of the machine
package failpoint
