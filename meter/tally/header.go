package tally

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Header says what a tally counts.
type Header struct {
	Node   string // name of the gateway; up to 255 bytes
	Start  int64  // start of the period, unix seconds
	Length int64  // length of the period in seconds
}

const (
	headerBytes = 512 // one sector
	version     = 1
	mapMagic    = "tgtally\n"
	sideMagic   = "tgtside\n"
	bootMax     = 64
	endOfYears  = 253402300800 // the file name has four digits for the year
)

// header is a Header as stored, at the front of the mapped file and, with its
// second half filled in, of each half of the side file.
type header struct {
	Header
	id uint64 // random; ties the three files together

	generation  uint64 // counts the rewrites; the higher half is the newer
	firstSync   uint64 // number of the sync that wrote the half's full copy
	powerLosses uint32 // times the tally was resumed after a possible power loss
	skipped     uint32 // damaged batches that a power loss made matter
	boot        string // of the machine, when the generation was written
}

func (h Header) validate() error {
	switch {
	case len(h.Node) > 255:
		return fmt.Errorf("header: node name of %d bytes: use at most 255", len(h.Node))
	case h.Start < 0 || h.Start >= endOfYears:
		return fmt.Errorf("header: start %d is not between the years 1970 and 9999", h.Start)
	case h.Length <= 0:
		return fmt.Errorf("header: length of %d seconds must be positive", h.Length)
	}
	return nil
}

func (h header) encode(magic string) []byte {
	b := make([]byte, headerBytes)
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], version)
	le.PutUint64(b[16:], h.id)
	le.PutUint64(b[24:], uint64(h.Start))
	le.PutUint64(b[32:], uint64(h.Length))
	le.PutUint64(b[40:], h.generation)
	le.PutUint64(b[48:], h.firstSync)
	le.PutUint32(b[56:], h.powerLosses)
	le.PutUint32(b[60:], h.skipped)
	b[64], b[65] = uint8(len(h.boot)), uint8(len(h.Node))
	copy(b[66:66+bootMax], h.boot)
	copy(b[66+bootMax:], h.Node)
	le.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli))
	return b
}

var errBadHeader = errors.New("damaged header")

func decodeHeader(b []byte, magic string) (h header, err error) {
	le := binary.LittleEndian
	if len(b) < headerBytes || string(b[:8]) != magic ||
		le.Uint32(b[headerBytes-4:]) != crc32.Checksum(b[:headerBytes-4], castagnoli) {
		return h, errBadHeader
	}
	if v := le.Uint32(b[8:]); v != version {
		return h, fmt.Errorf("format version %d: this release reads version %d", v, version)
	}
	h.id = le.Uint64(b[16:])
	h.Start, h.Length = int64(le.Uint64(b[24:])), int64(le.Uint64(b[32:]))
	h.generation, h.firstSync = le.Uint64(b[40:]), le.Uint64(b[48:])
	h.powerLosses, h.skipped = le.Uint32(b[56:]), le.Uint32(b[60:])
	h.boot = string(b[66 : 66+min(int(b[64]), bootMax)])
	h.Node = string(b[66+bootMax:][:b[65]])
	return h, nil
}
