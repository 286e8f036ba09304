package integration

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

// A way takes a gateway to places in its code whose names begin so. There it is
// killed, at a hit between the first and most: few, where each takes a second.
// The gateway runs when take returns; false: the place was not reached.
type way struct {
	begins string
	most   int
	take   func(k *killScene, place string, hit int) bool
}

// ways are how places are reached. The first that fits counts.
var ways = []way{
	{"journal/blank", 1, (*killScene).whileALedgerBegins},
	{"journal/roll", 1, (*killScene).whileASegmentEnds},
	{"reopen/", 1, (*killScene).whileTheDiskFails},
	{"journal/", 60, (*killScene).underLoad},
	{"recover/flushed", 1, (*killScene).whileItCatchesUp},
	{"recover/folded", 60, (*killScene).whileItRecovers},
	{"recover/", 1, (*killScene).whileItRecovers},
	{"tally/resuming", 2, (*killScene).whileItRecovers},
	{"intent/rewriting", 1, (*killScene).whileItRecovers},
	{"due/", 1, (*killScene).inArrears},
	{"ballast/", 1, (*killScene).whileALedgerBegins},
	{"call/", 400, (*killScene).underLoad},
	{"command/", 100, (*killScene).underLoad},
	{"images/", 100, (*killScene).underLoad},
	{"intent/", 100, (*killScene).underLoad},
	{"fold/committed", 3, (*killScene).whileAFoldIsLong},
	{"fold/", 8, (*killScene).underLoad},
	{"store/", 8, (*killScene).underLoad},
	{"tally/sync", 20, (*killScene).underLoad},
	{"tally/removing", 3, (*killScene).underLoad},
	{"tally/", 2, (*killScene).underLoad},
	{"seal/", 2, (*killScene).underLoad},
	{"settle/block", 2, (*killScene).underLoad},
	{"settle/", 2, (*killScene).underLoad},
	{"anchor/", 2, (*killScene).underLoad},
}

// placeName finds the places in the code, those at which the disk can fail among
// them: there the kill comes before the disk has anything.
var placeName = regexp.MustCompile(`failpoint\.(?:Hit|Fail)\("([^"]+)"\)`)

// places are the names of all places in the checkout.
func places(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"integration", "failpoint", "build", ".git"}, entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range placeName.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("looking for failpoints: %v, %d found", err, len(names))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// named reports whether a test in another file names a place: then it kills there.
func named(t *testing.T, place string) bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(file, "row01_") && strings.Contains(string(text), `"`+place+`"`) {
			return true
		}
	}
	return false
}

// wayTo is the way to a place, nil if there is none.
func wayTo(place string) *way {
	if i := slices.IndexFunc(ways, func(w way) bool { return strings.HasPrefix(place, w.begins) }); i >= 0 {
		return &ways[i]
	}
	return nil
}

// Kills at each place in the long form, and how many places the short form takes.
const (
	killsOfAPlace = 20
	placesInShort = 8
)

// killAtEveryPlace kills at every place in the code: in the long form 20 times,
// or as many as its rounds are of 500, in the short form at some places once.
// TALLYGATE_PLACES names others, as in fold/committed@2,call/counting: at the
// second hit of the one, at any of the other.
func (r *row) killAtEveryPlace() {
	r.t.Helper()
	names := places(r.t)
	todo := slices.DeleteFunc(slices.Clone(names), func(place string) bool { return wayTo(place) == nil && named(r.t, place) })
	r.chance.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	kills := 1
	if chosen := os.Getenv("TALLYGATE_PLACES"); chosen != "" {
		todo = strings.Split(chosen, ",")
	} else if !r.long {
		todo = todo[:min(placesInShort, len(todo))]
	} else {
		kills = max(1, killsOfAPlace*r.rounds/500)
	}
	r.note("killed %d times at each of %d places of %d", kills, len(todo), len(names))
	var all []string
	for range kills {
		all = append(all, todo...)
	}
	for part := range slices.Chunk(all, killsOfALedger) {
		r.t.Run("at "+part[0], func(t *testing.T) {
			k := newKillScene(t, r, harness.Config{Binary: harness.FailpointBinary(t)})
			for _, place := range part {
				k.killAt(place)
			}
			k.finish()
		})
		if r.t.Failed() {
			return
		}
	}
}

// killAt takes the way to a place.
func (k *killScene) killAt(place string) {
	k.t.Helper()
	place, at, chosen := strings.Cut(place, "@")
	w := wayTo(place)
	if w == nil {
		k.row.fault(k.t, "no way leads to the failpoint %s: add one to ways in row01_places_test.go", place)
		return
	}
	hit := 1 + k.row.chance.IntN(w.most)
	if !k.row.long {
		hit = 1 + k.row.chance.IntN(min(w.most, 20))
	}
	if chosen {
		var err error
		if hit, err = strconv.Atoi(at); err != nil {
			k.t.Fatal(err)
		}
	}
	if !w.take(k, place, hit) {
		k.row.fault(k.t, "the failpoint %s was not reached", place)
	}
	k.check(fmt.Sprintf("after a kill at hit %d of %s", hit, place))
}
