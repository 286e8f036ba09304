package power

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// disk is a folder and what of it is durable, as a gateway's shadow has it.
type disk struct {
	t           *testing.T
	dir, shadow string
}

func newDisk(t *testing.T, files map[string]string) disk {
	t.Helper()
	d := disk{t, t.TempDir(), filepath.Join(t.TempDir(), "shadow")}
	for path, text := range files {
		d.write(path, text)
	}
	d.must(Begin(d.dir, d.shadow))
	return d
}

func (d disk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d disk) write(path, text string) {
	d.t.Helper()
	path = filepath.Join(d.dir, path)
	d.must(os.MkdirAll(filepath.Dir(path), 0o700))
	d.must(os.WriteFile(path, []byte(text), 0o600))
}

func (d disk) rename(from, to string) {
	d.t.Helper()
	d.must(os.Rename(filepath.Join(d.dir, from), filepath.Join(d.dir, to)))
}

// cut is the files after a cut: path → content. The same seed gives the same.
func (d disk) cut(seed uint64) map[string]string {
	d.t.Helper()
	var all [2]map[string]string
	for i := range all {
		out := filepath.Join(d.t.TempDir(), "out")
		_, err := Cut(d.dir, d.shadow, out, seed)
		d.must(err)
		all[i] = map[string]string{}
		found, err := names(out)
		d.must(err)
		for path := range found {
			if b, err := read(filepath.Join(out, path)); err == nil {
				all[i][path] = string(b)
			}
		}
	}
	if !maps.Equal(all[0], all[1]) {
		d.t.Fatalf("seed %d gives two results", seed)
	}
	return all[0]
}

// cuts are all that a hundred cuts give: how often each.
func (d disk) cuts(show func(map[string]string) string) map[string]int {
	d.t.Helper()
	seen := map[string]int{}
	for seed := range uint64(100) {
		seen[show(d.cut(seed))]++
	}
	return seen
}

func list(files map[string]string) string {
	text, _ := json.Marshal(files)
	return string(text)
}

func (d disk) want(seen map[string]int, want ...string) {
	d.t.Helper()
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		d.t.Errorf("cuts give\n%q, want\n%q", got, want)
	}
}

// TestWhatIsDurableStays, and nothing else is there.
func TestWhatIsDurableStays(t *testing.T) {
	d := newDisk(t, map[string]string{"a": "1", "sub/b": "2", "sub/empty": ""})
	d.want(d.cuts(list), `{"a":"1","sub/b":"2","sub/empty":""}`)
}

func TestNamesThatAreNotDurable(t *testing.T) {
	d := newDisk(t, map[string]string{"removed": "old"})
	d.must(os.Remove(filepath.Join(d.dir, "removed")))
	d.write("made", "")
	d.want(d.cuts(list), `{}`, `{"made":""}`, `{"removed":"old"}`, `{"made":"","removed":"old"}`)
}

// TestARenameIsWhole, and the file that takes the old name may be missing.
func TestARenameIsWhole(t *testing.T) {
	d := newDisk(t, map[string]string{"next": "", "other": "o"})
	d.rename("next", "first")
	d.write("next", "")
	d.want(d.cuts(list), `{"next":"","other":"o"}`, `{"first":"","other":"o"}`, `{"first":"","next":"","other":"o"}`)
	d = newDisk(t, map[string]string{"file": "old", "file.new": "new"})
	d.rename("file.new", "file")
	d.want(d.cuts(list), `{"file":"old","file.new":"new"}`, `{"file":"new"}`)
}

// TestAFolderWithoutAName takes with it what is in it.
func TestAFolderWithoutAName(t *testing.T) {
	d := newDisk(t, nil)
	d.write("sub/file", "")
	d.want(d.cuts(list), `{}`, `{"sub/file":""}`)
}

// TestPages: each page and each sector is the old or the new one, some of both
// kinds; what is the same in both stays; every size between is there.
func TestPages(t *testing.T) {
	old, now := bytes.Repeat([]byte("o"), 8*pageSize), bytes.Repeat([]byte("n"), 12*pageSize)
	copy(now, bytes.Repeat([]byte("o"), pageSize))
	d := newDisk(t, map[string]string{"file": string(old)})
	d.write("file", string(now))
	var sizes, newer, torn = map[int]int{}, map[int]int{}, 0
	for seed := range uint64(100) {
		b := d.cut(seed)["file"]
		sizes[len(b)/pageSize]++
		count := 0
		for at := 0; at < len(b); at += sectorSize {
			sector := b[at : at+sectorSize]
			before := "\x00"
			if at < len(old) {
				before = "o"
			}
			switch {
			case at < pageSize && sector[0] != 'o', sector[0] != before[0] && sector[0] != 'n',
				len(bytes.Trim([]byte(sector), sector[:1])) > 0:
				t.Fatalf("seed %d: sector at %d: %q", seed, at, sector[:8])
			}
			if sector[0] == 'n' {
				count++
			}
			if at%pageSize > 0 && sector[0] != b[at-1] {
				torn++
			}
		}
		newer[min(count/10, 8)]++
	}
	if len(sizes) != 5 || sizes[8] == 0 || sizes[12] == 0 || len(newer) < 6 || torn == 0 {
		t.Errorf("sizes in pages %v, newer sectors in tens %v, torn %d", sizes, newer, torn)
	}
}

// TestBadger: its folder has the names and the manifest of the last commit or
// those of the end; the manifest is whole and names what is there, whole.
func TestBadger(t *testing.T) {
	table := string(bytes.Repeat([]byte("t"), 3*pageSize))
	d := newDisk(t, map[string]string{"badger/MANIFEST": "1", "badger/1.sst": "one", "badger/1.mem": "log"})
	d.write("badger/MANIFEST", "12")
	d.write("badger/2.sst", table)
	d.write("badger/2.mem", "")
	d.must(os.Remove(filepath.Join(d.dir, "badger/1.mem")))
	d.want(d.cuts(func(files map[string]string) string {
		if files["badger/1.sst"] != "one" || files["badger/MANIFEST"] == "12" && files["badger/2.sst"] != table {
			t.Errorf("%q", files)
		}
		delete(files, "badger/2.sst")
		return list(files)
	}), `{"badger/1.mem":"log","badger/1.sst":"one","badger/MANIFEST":"1"}`,
		`{"badger/1.mem":"log","badger/1.sst":"one","badger/2.mem":"","badger/MANIFEST":"12"}`,
		`{"badger/1.sst":"one","badger/2.mem":"","badger/MANIFEST":"12"}`)
}
