package usage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
)

const hour = 1795312800 // 2026-11-22T02:00:00Z

func exampleHeader() Header {
	return Header{Node: "a", Start: hour, Length: 3600, Operations: []string{"", "recognition/image-tagging", "search/add"}}
}

func exampleRows() []account.Count {
	var rows []account.Count
	for a := range uint32(150) {
		rows = append(rows,
			account.Count{Line: account.Line{Account: a, Operation: 1, Kind: account.PayPerUse}, Calls: uint64(a)*3 + 1},
			account.Count{Line: account.Line{Account: a, Operation: 1, Kind: account.Free, Ref: 202611}, Calls: 1})
	}
	return append(rows,
		account.Count{Line: account.Line{Account: math.MaxUint32, Operation: 2, Kind: account.Subscription, Ref: math.MaxUint32}, Calls: 1 << 40},
		account.Count{Line: account.Line{Kind: account.Unauthenticated}, Calls: 12},
		account.Count{Line: account.Line{Account: 3, Operation: 2, Kind: account.InArrears, Observed: true}, Calls: 2},
	)
}

func mustEncode(t testing.TB, h Header, rows []account.Count) ([]byte, Info) {
	t.Helper()
	b, info, err := encode(h, rows)
	if err != nil {
		t.Fatal(err)
	}
	return b, info
}

func sameInfo(a, b Info) bool {
	return a.Name == b.Name && a.Hash == b.Hash && a.Size == b.Size && a.Sum == b.Sum && a.Header.Node == b.Header.Node &&
		a.Header.Start == b.Header.Start && a.Header.Length == b.Header.Length && a.Header.Damaged == b.Header.Damaged &&
		slices.Equal(a.Header.Operations, b.Header.Operations)
}

func drawRows(t *rapid.T) []account.Count {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) account.Count {
		number := rapid.OneOf(rapid.Uint32Range(0, 300), rapid.Uint32())
		return account.Count{
			Line: account.Line{
				Account:   number.Draw(t, "account"),
				Operation: uint16(rapid.IntRange(0, 2).Draw(t, "operation")),
				Kind:      account.Kind(rapid.SampledFrom([]int{1, 2, 3, 4, 33, 69, 255}).Draw(t, "kind")),
				Observed:  rapid.Bool().Draw(t, "observed"),
				Ref:       rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32()).Draw(t, "ref"),
			},
			Calls: rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, 1<<56)).Draw(t, "calls"),
		}
	}), 0, 60).Draw(t, "rows")
}

// TestRoundTrip compares a file with a map of the rows it was written from.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := exampleHeader()
		h.Node = rapid.StringMatching(`[a-z0-9-]{1,32}`).Draw(rt, "node")
		h.Start, h.Length = rapid.Int64Range(0, latestStart).Draw(rt, "start"), rapid.Int64Range(1, 3600).Draw(rt, "length")
		h.Damaged = rapid.Uint64().Draw(rt, "damaged")
		rows := drawRows(rt)
		if len(rows) > 0 {
			rows = append(rows, rows[rapid.IntRange(0, len(rows)-1).Draw(rt, "again")])
		}
		want := map[account.Line]uint64{}
		var sum Sum
		for _, c := range rows {
			if c.Calls > 0 {
				want[c.Line] += c.Calls
			}
			if c.Kind.Billed() {
				sum.Billed += c.Calls
			} else {
				sum.NotBilled += c.Calls
			}
		}
		sum.Lines = len(want)
		b, info := mustEncode(t, h, rows)
		f, err := decode(b)
		if err != nil {
			rt.Fatal(err)
		}
		if info.Header = h; !sameInfo(f.Info(), info) || info.Sum != sum || info.Hash != sha256.Sum256(b) || info.Size != int64(len(b)) {
			rt.Fatalf("read %+v, written %+v, counted %+v", f.Info(), info, sum)
		}
		got := slices.Collect(f.All())
		for i, c := range got {
			if want[c.Line] != c.Calls || i > 0 && got[i-1].Compare(c.Line) >= 0 {
				rt.Fatalf("line %d is %+v, want %d calls", i, c, want[c.Line])
			}
		}
		if len(got) != len(want) {
			rt.Fatalf("%d lines, want %d", len(got), len(want))
		}
		checkBlocks(rt, f, got)
	})
}

func checkBlocks(t *rapid.T, f *File, all []account.Count) {
	var joined []account.Count
	for n := range f.Blocks() {
		block := f.Block(n)
		for _, c := range block {
			if c.Account/BlockAccounts != n {
				t.Fatalf("account %d in block %d", c.Account, n)
			}
		}
		if len(block) == 0 {
			t.Fatalf("block %d is empty", n)
		}
		joined = append(joined, block...)
	}
	if !slices.Equal(joined, all) {
		t.Fatalf("the blocks have %+v, the file %+v", joined, all)
	}
	if f.Block(lastBlock-1) != nil && !slices.Contains(slices.Collect(f.Blocks()), lastBlock-1) {
		t.Fatal("a block that is not there")
	}
}

func TestDeterminism(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rows := drawRows(rt)
		a, _ := mustEncode(t, exampleHeader(), slices.Clone(rows))
		b, _ := mustEncode(t, exampleHeader(), rapid.Permutation(rows).Draw(rt, "order"))
		if !bytes.Equal(a, b) {
			rt.Fatal("the order of the rows changes the file")
		}
		f, err := decode(a)
		if err != nil {
			rt.Fatal(err)
		}
		if c, _ := mustEncode(t, f.Info().Header, slices.Collect(f.All())); !bytes.Equal(a, c) {
			rt.Fatal("written from itself, the file differs")
		}
	})
}

// TestBytes: a release that wrote the same hour otherwise would take its file for
// damaged.
func TestBytes(t *testing.T) {
	t.Parallel()
	_, info := mustEncode(t, exampleHeader(), exampleRows())
	const want = "7543262b7cdd74c476813a3621f83938b80e5823f8a189863c6fa41af3fcaaab"
	if got := hex.EncodeToString(info.Hash[:]); got != want {
		t.Errorf("the example's hash is %s, want %s", got, want)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	info, err := Write(dir, exampleHeader(), exampleRows())
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "20261122T020000Z-a.usage" {
		t.Errorf("name %s", info.Name)
	}
	path := filepath.Join(dir, info.Name)
	f, err := Open(path)
	if err != nil || !sameInfo(f.Info(), info) {
		t.Fatalf("opened %+v, written %+v, %v", f.Info(), info, err)
	}
	rows := exampleRows()
	slices.Reverse(rows)
	if again, err := Write(dir, exampleHeader(), rows); err != nil || !sameInfo(again, info) {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	if _, err := Write(dir, exampleHeader(), rows[1:]); !errors.Is(err, ErrConflict) {
		t.Errorf("other content: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	other := filepath.Join(dir, strings.Replace(info.Name, "T02", "T03", 1))
	if err := os.Rename(path, other); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(other); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), info.Name) {
		t.Errorf("under the name of another hour: %v", err)
	}
	if _, err := Write(filepath.Join(dir, "none"), exampleHeader(), nil); err == nil {
		t.Error("written where no folder is")
	}
}

func TestEmptyHour(t *testing.T) {
	t.Parallel()
	b, info := mustEncode(t, Header{Node: "x-1", Start: 0, Length: 1}, []account.Count{{Line: account.Line{Kind: account.Free}}})
	f, err := decode(b)
	if err != nil || info.Sum != (Sum{}) || !sameInfo(f.Info(), info) || f.Block(0) != nil {
		t.Fatalf("%+v, %v", info, err)
	}
	for c := range f.All() {
		t.Errorf("line %+v", c)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	line := account.Line{Account: 1, Operation: 1, Kind: account.Free}
	other := account.Line{Account: 2, Operation: 1, Kind: account.RateLimited}
	cases := map[string]struct {
		change func(h *Header)
		rows   []account.Count
		want   string
	}{
		"node empty":        {func(h *Header) { h.Node = "" }, nil, "node"},
		"node long":         {func(h *Header) { h.Node = strings.Repeat("a", 33) }, nil, "node"},
		"node with a path":  {func(h *Header) { h.Node = "../a" }, nil, "node"},
		"node upper case":   {func(h *Header) { h.Node = "A" }, nil, "node"},
		"start negative":    {func(h *Header) { h.Start = -1 }, nil, "start"},
		"start too late":    {func(h *Header) { h.Start = latestStart + 1 }, nil, "start"},
		"no length":         {func(h *Header) { h.Length = 0 }, nil, "length"},
		"length too long":   {func(h *Header) { h.Length = 3601 }, nil, "length"},
		"operation 0 named": {func(h *Header) { h.Operations = []string{"x"} }, nil, "operation 0"},
		"unnamed operation": {func(h *Header) { h.Operations = []string{"", "a", ""} }, nil, "operation 2"},
		"same name twice":   {func(h *Header) { h.Operations = []string{"", "a", "a"} }, nil, "two operations"},
		"operation unknown": {func(h *Header) { h.Operations = nil }, []account.Count{{Line: line, Calls: 1}}, "operation 1"},
		"no kind":           {func(*Header) {}, []account.Count{{Calls: 1}}, "kind"},
		"line overflows":    {func(*Header) {}, []account.Count{{Line: line, Calls: math.MaxUint64}, {Line: line, Calls: 1}}, "overflow"},
		"sum overflows": {func(*Header) {}, []account.Count{{Line: line, Calls: math.MaxUint64},
			{Line: account.Line{Account: 9, Operation: 1, Kind: account.Free}, Calls: 1}}, "overflow"},
		"all overflows": {func(*Header) {}, []account.Count{{Line: line, Calls: math.MaxUint64}, {Line: other, Calls: 1}}, "overflow"},
	}
	dir := t.TempDir()
	for name, c := range cases {
		h := exampleHeader()
		c.change(&h)
		if _, err := Write(dir, h, c.rows); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}

func TestFlips(t *testing.T) {
	t.Parallel()
	whole, _ := mustEncode(t, exampleHeader(), exampleRows())
	for at := range whole {
		for bit := range 8 {
			whole[at] ^= 1 << bit
			if _, err := decode(whole); err == nil {
				t.Fatalf("byte %d bit %d: unseen", at, bit)
			}
			whole[at] ^= 1 << bit
		}
	}
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	whole, info := mustEncode(t, exampleHeader(), exampleRows())
	for n := range whole {
		if _, err := decode(whole[:n]); err == nil {
			t.Fatalf("cut at %d: unseen", n)
		}
	}
	if _, err := decode(append(slices.Clone(whole), 0)); err == nil {
		t.Error("one byte more: unseen")
	}
	path := filepath.Join(t.TempDir(), info.Name)
	if err := os.WriteFile(path, whole[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open: %v", err)
	}
}

// TestWhichCheck: the error names what is wrong.
func TestWhichCheck(t *testing.T) {
	t.Parallel()
	whole, _ := mustEncode(t, exampleHeader(), exampleRows())
	headerEnd := 8 + 4 + int(binary.LittleEndian.Uint32(whole[8:])) + 4
	for want, at := range map[string]int{
		"magic":          2,
		"format version": 7,
		"header":         14,
		"shapes":         headerEnd + 5,
		"index: block":   len(whole) - footerSize - 1,
		"SHA-256":        len(whole) - footerSize,
	} {
		b := slices.Clone(whole)
		b[at] ^= 0x10
		if _, err := decode(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("byte %d: %v, want %s", at, err, want)
		}
	}
	b := slices.Clone(whole)
	b[len(b)-footerSize]++
	if _, err := decode(reseal(b)); err == nil || !strings.Contains(err.Error(), "sums") {
		t.Errorf("wrong sum: %v", err)
	}
}

// reseal makes a changed file's SHA-256 right again.
func reseal(b []byte) []byte {
	if len(b) < sha256.Size {
		return b
	}
	digest := sha256.Sum256(b[:len(b)-sha256.Size])
	copy(b[len(b)-sha256.Size:], digest[:])
	return b
}

// forge makes a file of any content whose CRCs and SHA-256 are right, as
// someone who means harm would.
func forge(header, shapes, index, blocks, sums []byte) []byte {
	b := appendSection([]byte(magic), header)
	b = appendSection(b, shapes)
	b = appendSection(b, index)
	b = append(b, blocks...)
	b = append(b, sums...)
	b = append(b, make([]byte, max(0, footerSums-len(sums)))...)
	return reseal(append(b, make([]byte, sha256.Size)...))
}

// oneBlock is the index of one block.
func oneBlock(number, lines uint64, block []byte) []byte {
	b := binary.AppendUvarint([]byte{1}, number)
	b = binary.AppendUvarint(b, lines)
	b = binary.AppendUvarint(b, uint64(len(block)))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(block, castagnoli))
}

// TestForged: files that only the checks of the content can refuse.
func TestForged(t *testing.T) {
	t.Parallel()
	header := headerBytes(exampleHeader())
	shapes := shapeBytes([]shape{{Operation: 1, Kind: account.Free}, {Operation: 1, Kind: account.PayPerUse}})
	sums := func(lines, billed byte) []byte { return []byte{lines, 0, 0, 0, 0, 0, 0, 0, billed} }
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	good := []byte{5, 0, 1, 0, 1, 2}
	if _, err := decode(forge(header, shapes, oneBlock(0, 2, good), good, sums(2, 3))); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	blocks := map[string][]byte{
		"order of shapes":   {5, 1, 1, 0, 0, 2},
		"same line twice":   {5, 1, 1, 0, 1, 2},
		"beyond the block":  {5, 0, 1, 59, 0, 2},
		"unknown shape":     {5, 0, 1, 0, 2, 2},
		"no calls":          {5, 0, 3, 0, 1, 0},
		"bytes left over":   {5, 0, 1, 0, 1, 2, 0},
		"number cut short":  {5, 0, 1, 0, 1, 0x82},
		"overflowing calls": slices.Concat([]byte{5, 0}, huge, []byte{0, 1}, []byte{4}),
	}
	files := map[string][]byte{
		"no shapes":         forge(header, []byte{0}, oneBlock(0, 2, good), good, sums(2, 3)),
		"too many shapes":   forge(header, huge, oneBlock(0, 2, good), good, sums(2, 3)),
		"too many blocks":   forge(header, shapes, huge, good, sums(2, 3)),
		"too many lines":    forge(header, shapes, oneBlock(0, 3, good), good, sums(2, 3)),
		"endless lines":     forge(header, shapes, oneBlock(0, math.MaxUint64, good), good, sums(2, 3)),
		"block too far":     forge(header, shapes, oneBlock(lastBlock+1, 2, good), good, sums(2, 3)),
		"stray data":        forge(header, shapes, []byte{0}, good, nil),
		"empty block":       forge(header, shapes, oneBlock(0, 0, nil), nil, nil),
		"second too far":    forge(header, shapes, slices.Concat([]byte{2}, oneBlock(lastBlock, 2, good)[1:], oneBlock(0, 2, good)[1:]), append(slices.Clone(good), good...), sums(4, 6)),
		"header cut":        forge(header[:len(header)-1], shapes, oneBlock(0, 2, good), good, sums(2, 3)),
		"header continued":  forge(append(slices.Clone(header), 0), shapes, oneBlock(0, 2, good), good, sums(2, 3)),
		"shapes disordered": forge(header, []byte{2, 1, 3, 0, 0, 1, 1, 0, 0}, oneBlock(0, 2, good), good, sums(2, 3)),
		"shape unnamed":     forge(header, []byte{2, 1, 1, 0, 0, 9, 1, 0, 0}, oneBlock(0, 2, good), good, sums(2, 3)),
		"shape truncated":   forge(header, []byte{2, 1, 1, 0, 0, 1, 3, 0}, oneBlock(0, 2, good), good, sums(2, 3)),
		"wrong lines":       forge(header, shapes, oneBlock(0, 2, good), good, sums(1, 3)),
		"wrong calls":       forge(header, shapes, oneBlock(0, 2, good), good, sums(2, 4)),
	}
	for name, block := range blocks {
		files[name] = forge(header, shapes, oneBlock(0, 2, block), block, sums(2, 3))
	}
	for name, b := range maps.All(files) {
		if f, err := decode(b); err == nil {
			t.Errorf("%s: taken as %+v", name, f.Info())
		}
	}
}

// FuzzOpen: parts of any content, with CRCs and hash right, neither panic nor
// read as lines that could not be written.
func FuzzOpen(f *testing.F) {
	header := headerBytes(exampleHeader())
	shapes := shapeBytes([]shape{{Operation: 1, Kind: account.Free}, {Operation: 1, Kind: account.PayPerUse}})
	block := []byte{5, 0, 1, 0, 1, 2}
	f.Add(header, shapes, uint64(0), uint64(2), block, uint64(2), uint64(3), uint64(0), []byte(nil))
	f.Add([]byte{}, []byte{}, uint64(1), uint64(1<<40), []byte{255}, uint64(1), uint64(1), uint64(1), []byte{1})
	f.Add(header, []byte{0}, uint64(9), uint64(2), block, uint64(2), uint64(3), uint64(0), []byte{0})
	f.Fuzz(func(t *testing.T, header, shapes []byte, number, lines uint64, block []byte, sumLines, billed, notBilled uint64, index []byte) {
		var sums []byte
		for _, v := range []uint64{sumLines, billed, notBilled} {
			sums = binary.LittleEndian.AppendUint64(sums, v)
		}
		if len(index) == 0 {
			index = oneBlock(number, lines, block)
		}
		file, err := decode(forge(header, shapes, index, block, sums))
		if err != nil {
			return
		}
		counts := slices.Collect(file.All())
		b, info := mustEncode(t, file.Info().Header, slices.Clone(counts))
		again, err := decode(b)
		if err != nil || info.Sum != file.Info().Sum || !slices.Equal(slices.Collect(again.All()), counts) {
			t.Fatalf("%+v was read, but writes as %+v, %v", file.Info(), info, err)
		}
	})
}
