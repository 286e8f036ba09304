//go:build !linux

package badgerstore

func residentFiles() (bytes uint64, ok bool) { return 0, false }

func letGoOf(map[string]bool) error { return nil }
