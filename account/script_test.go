package account_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files of testdata are scenarios: what happened to accounts, and what they
// come to. A finance clerk should be able to read them, and to write one.
//
//	# a remark
//	scenario D14 a package pays from the instant of its purchase
//	account acme
//	at 2027-01-01 09:00
//	top up acme 100.00
//	calls acme recognition/tagging 15 = 10 free:202701 + 5 payg
//	at 09:30
//	buy package acme tagging-50-1mo
//	calls acme recognition/tagging 5 = 5 package:1
//	at 10:00
//	expect lines acme
//		2027-01-01 09:00 recognition/tagging free:202701 10 0.00
//		2027-01-01 09:00 recognition/tagging package:1 5 0.00
//		2027-01-01 09:00 recognition/tagging payg 5 0.08
//	expect balance acme 94.92
//
// A line that begins with a tab belongs to the line above it. Every scenario
// begins at 2027-01-01 00:00 of the billing zone, which is +08:00 unless it
// says otherwise, with the price book testdata/books/default.yaml.
//
// Where time passes, everything happens that it brings: hours are settled as
// they end, months are closed, terms end, states pass. What a command refuses
// must be expected in the next line, and every event must be expected before
// the scenario ends, so that nothing happens unseen; `notices off` leaves the
// notices out of that.
//
// All words are listed in commands (scriptcommands_test.go), settings
// (scriptsettings_test.go) and expectations (scriptexpect_test.go). Words in brackets may be left out:
//
//	zone <name> | notices off | policy [grace 15d] [retention 15d] [allow-in-grace] [end-of-day] [purchases 1]
//	price book <file> [from <instant>]         (the book itself may follow, indented, instead of a file)
//	at <date> <time> | at <time> | restart [at <date> <time>] (the gateway was down until then)
//	settlement off | settlement on | settle    (hours wait for `settle`, as they do while calls are in flight)
//	calls <account> <operation> <n> [instance <name>] = <n> <what paid> + <n> refused <why>
//	begin calls …, end calls <account>, fail calls <account>   (calls whose answer comes later)
//	images <account> <instance> <n> [uncertain <n>]          (what it holds)
//	account <id> [customer <id>] [credit-limit 5.00] [low-balance 5.00] [payg off]
//	preview <any command>                       (carries nothing out; see `expect price`)
//
// Every scenario runs three times, since an account must not care how often
// somebody looks at it: looking whenever the script says a time, every hour,
// and only when a command, a settlement or an expectation needs it.

// line is a line of a script with the indented lines that belong to it.
type line struct {
	place string // file:line
	words []string
	block []string
}

// scenario is a title and the lines below it.
type scenario struct {
	line
	title string
	lines []line
}

const scenariosMin = 230

func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	scenarios := 0
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			for _, s := range readScript(t, path) {
				scenarios++
				t.Run(s.title, s.test)
			}
		})
	}
	if scenarios < scenariosMin && !filtered() {
		t.Errorf("%d scenarios; there were at least %d", scenarios, scenariosMin)
	}
}

// TestRunnerRefuses: a script that says something else than it seems to fails.
func TestRunnerRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"by package acme tagging-50-1mo":                     "there is no such command",
		"top up acme 1.00 references x":                      `there is no "references x" here`,
		"top up acme":                                        "the amount is missing",
		"top up bolt 1.00":                                   `there is no account "bolt"`,
		"change account acme payg of":                        "write on or off",
		"buy package acme tagging-50-1mo":                    "refused, and not expected",
		"buy package acme tagging-50-1mo\nat 09:00":          "before it, refused and not expected",
		"buy package acme tagging-50-1mo\nexpect refusal no": "got refusal",
		"expect refusal no":                                  "got refusal: <nil>",
		"expect balances acme":                               "there is no such expectation",
		"expect balance acme 1":                              "got",
		"expect balance acme 0.00\n\tacme":                   "stands in the line itself",
		"expect events acme none":                            "stands below",
		"top up acme 1.00\n\tacme":                           "takes no indented lines",
		"calls acme recognition/detection 1 = 1 free:202701": "got = 1 payg",
		"calls acme recognition/detection 1":                 "got = 1 payg",
		"calls acme recognition/detection one = 1 payg":      "invalid syntax",
		"at 2026-12-31 09:00":                                "past that already",
		"at 9 o'clock":                                       "is no instant",
		"settlement of":                                      "write settlement off",
		"notices on":                                         "write notices off",
		"policy grace 1 d":                                   "there may be: grace",
		"price book nowhere":                                 "no such file",
		"adjust acme -1.00\nat 01:00":                        "events of acme that nobody expected",
		"top up acme 1.00\nexpect statement acme 2027-01":    "the month is not closed",
	} {
		s := scenario{title: "D0 a test"}
		for _, row := range strings.Split("account acme\n"+text, "\n") {
			if block, ok := strings.CutPrefix(row, "\t"); ok {
				last := &s.lines[len(s.lines)-1]
				last.block = append(last.block, block)
				continue
			}
			s.lines = append(s.lines, line{words: strings.Fields(row)})
		}
		for _, look := range []look{whenTold, everyHour, whenNeeded} {
			if err := s.run(newWorld(look)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q (%s): %v", text, look, err)
			}
		}
	}
}

// filtered reports whether `go test -run` picks subtests.
func filtered() bool {
	for _, arg := range os.Args {
		if run, ok := strings.CutPrefix(arg, "-test.run="); ok && strings.Contains(run, "/") {
			return true
		}
	}
	return false
}

func readScript(t *testing.T, path string) (scenarios []scenario) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var last *line
	for i, text := range strings.Split(string(data), "\n") {
		place := fmt.Sprintf("%s:%d", path, i+1)
		words := strings.Fields(text)
		switch {
		case len(words) == 0 || text[0] == '#':
		case strings.HasPrefix(text, "\t") && last != nil:
			last.block = append(last.block, strings.TrimRight(text[1:], " "))
		case words[0] == "scenario" && len(words) > 1:
			scenarios = append(scenarios, scenario{line: line{place: place}, title: strings.Join(words[1:], " ")})
			last = nil
		case len(scenarios) == 0 || strings.HasPrefix(text, "\t"):
			t.Fatalf("%s: a line outside of any scenario: %s", place, text)
		default:
			s := &scenarios[len(scenarios)-1]
			s.lines = append(s.lines, line{place: place, words: words})
			last = &s.lines[len(s.lines)-1]
		}
	}
	return scenarios
}

// test runs the scenario under every way of looking.
func (s scenario) test(t *testing.T) {
	for _, look := range []look{whenTold, everyHour, whenNeeded} {
		if err := s.run(newWorld(look)); err != nil {
			t.Fatalf("%v (accounts were looked at %s)", err, look)
		}
	}
}

func (s scenario) run(w *world) error {
	for _, l := range s.lines {
		if err := w.run(l); err != nil {
			return fmt.Errorf("%s: %s: %w", l.place, strings.Join(l.words, " "), err)
		}
	}
	if err := w.end(); err != nil {
		return fmt.Errorf("%s: at the end of %q: %w", s.place, s.title, err)
	}
	return nil
}
