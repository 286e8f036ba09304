package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

func exampleRecord() []byte {
	return appendRecord(nil, &Record{Seq: 7, At: -1, Kind: "hour", Payload: []byte("sealed"), Prev: [32]byte{1}}, 5)
}

// FuzzRecord: any bytes, as they are and with their CRC put right, parse
// without a panic, and what parses is exactly what would be written.
func FuzzRecord(f *testing.F) {
	f.Add(exampleRecord())
	f.Add(append(exampleRecord(), exampleRecord()...))
	f.Add(exampleRecord()[:70])
	f.Add(make([]byte, 128))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := parseFrame(b)
		if err != nil && len(b) >= recordFixed {
			n := min(uint64(binary.LittleEndian.Uint32(b[lengthAt:]))+7, uint64(len(b))) &^ 7
			if n >= recordFixed {
				binary.LittleEndian.PutUint32(b[crcAt:], crc32.Checksum(b[lengthAt:n], castagnoli))
				fr, err = parseFrame(b)
			}
		}
		if err != nil {
			return
		}
		r := fr.record()
		again := r
		again.Hash = [32]byte{}
		encoded := appendRecord(nil, &again, fr.group)
		if again.Hash != r.Hash || len(encoded) != len(fr.bytes) || !bytes.Equal(encoded[:fr.length][lengthAt:], fr.bytes[:fr.length][lengthAt:]) {
			t.Fatalf("%x parses to %+v, which encodes to %x", fr.bytes, r, encoded)
		}
	})
}

// TestRecordLayout pins the format: what is on disk must be readable by later
// releases, and by auditors without this code.
func TestRecordLayout(t *testing.T) {
	t.Parallel()
	b := exampleRecord()
	if len(b) != 80 || binary.LittleEndian.Uint32(b[4:]) != 75 {
		t.Fatalf("%d bytes, length says %d", len(b), binary.LittleEndian.Uint32(b[4:]))
	}
	var want []byte
	want = binary.LittleEndian.AppendUint64(want, 7)
	want = binary.LittleEndian.AppendUint64(want, ^uint64(0))
	want = append(want, 1)
	want = append(want, make([]byte, 31)...)
	want = append(want, 4)
	want = append(want, "hoursealed"...)
	if !bytes.Equal(b[16:75], want) || !bytes.Equal(b[75:], make([]byte, 5)) {
		t.Fatalf("encoded as %x", b)
	}
	f, err := parseFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	if r := f.record(); r.Hash != sha256.Sum256(want) || f.group != 5 {
		t.Fatalf("hash %x, group %d", r.Hash, f.group)
	}
}
