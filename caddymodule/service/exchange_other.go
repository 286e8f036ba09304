//go:build !linux

package service

import "syscall"

func renameExchange(string, string) error { return syscall.ENOSYS }
