package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Ports below the range from which the kernel takes those of outgoing
// connections: none of these can take a port between two runs of a gateway.
const (
	portMin = 12000
	portMax = 32000
)

// taken are the ports this process gave out, with the locks that keep other
// processes from giving them out: a gateway that is killed has none for a while.
var taken sync.Map

// take locks a port for the life of this process.
func take(port int) (*os.File, error) {
	folder := filepath.Join(os.TempDir(), "tallygate-ports")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(folder, strconv.Itoa(port)), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// FreeAddress is a loopback address that nobody listens on, given out once.
func FreeAddress() (string, error) {
	for range 1000 {
		port := portMin + rand.IntN(portMax-portMin)
		lock, err := take(port)
		if err != nil { // somebody has it, this process perhaps
			continue
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			taken.Store(port, lock)
			return address, nil
		}
		lock.Close()
	}
	return "", fmt.Errorf("no free port between %d and %d", portMin, portMax)
}
