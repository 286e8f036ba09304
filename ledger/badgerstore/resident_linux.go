package badgerstore

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// residentFiles is how many bytes of mapped files are in the process's memory.
func residentFiles() (n uint64, ok bool) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(status) {
		if rest, found := bytes.CutPrefix(line, []byte("RssFile:")); found {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// letGoOf lets go of the pages of files, by their paths, where they are mapped
// shared: what was written stays in the page cache. No mapping of them may end
// meanwhile.
func letGoOf(files map[string]bool) error {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	for line := range bytes.Lines(maps) {
		// 7f2a00000000-7f2a00800000 rw-s 00000000 fe:00 1234   /data/ledger/000001.sst
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), " ", 6)
		if len(fields) < 6 || !strings.HasSuffix(fields[1], "s") || !files[strings.TrimLeft(fields[5], " ")] {
			continue
		}
		if err := dontNeed(fields[0]); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return nil
}

// dontNeed drops the pages of a range of addresses, two hexadecimal numbers.
func dontNeed(addresses string) error {
	from, to, _ := strings.Cut(addresses, "-")
	start, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return err
	}
	end, err := strconv.ParseUint(to, 16, 64)
	if err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED); errno != 0 {
		return errno
	}
	return nil
}
