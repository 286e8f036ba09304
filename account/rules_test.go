package account_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rulesPage is where every rule is said in words, with the tests that prove it.
const rulesPage = "../rating/RULES.md"

var (
	goTest   = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")
	aTitle   = regexp.MustCompile("`([a-z-]+)/(D[0-9][^`]*)`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
)

// TestRules: every rule is on the page, and every scenario and test that it
// names exists; every rule that a scenario cites is there.
func TestRules(t *testing.T) {
	data, err := os.ReadFile(rulesPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	rows := ruleRows(page)
	for n := 1; n <= 38; n++ {
		row := rows[fmt.Sprintf("D%d", n)]
		if !goTest.MatchString(row) && !aTitle.MatchString(row) {
			t.Errorf("%s has no row with a test that proves D%d", rulesPage, n)
		}
	}
	tests, titles := goTests(t), scenarioTitles(t)
	for _, m := range goTest.FindAllStringSubmatch(page, -1) {
		if !slices.Contains(tests[m[1]], m[2]) {
			t.Errorf("%s names %s.%s, which does not exist", rulesPage, m[1], m[2])
		}
	}
	for _, m := range aTitle.FindAllStringSubmatch(page, -1) {
		if !slices.Contains(titles, m[1]+"/"+m[2]) {
			t.Errorf("%s names the scenario %s/%s, which does not exist", rulesPage, m[1], m[2])
		}
	}
}

// ruleRows are the rows of the page's first table, by rule.
func ruleRows(page string) map[string]string {
	rows := map[string]string{}
	for _, row := range strings.Split(page, "\n") {
		if cells := strings.Split(row, "|"); len(cells) > 3 {
			if rule := strings.TrimSpace(cells[1]); strings.HasPrefix(rule, "D") && rows[rule] == "" {
				rows[rule] = row
			}
		}
	}
	return rows
}

// goTests are the tests of the module and of its integration tests, by folder.
func goTests(t *testing.T) map[string][]string {
	found := map[string][]string{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		folder := path.Dir(strings.TrimPrefix(filepath.ToSlash(file), "../"))
		if !strings.HasPrefix(filepath.ToSlash(file), "../") {
			folder = "account"
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			found[folder] = append(found[folder], m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func scenarioTitles(t *testing.T) (titles []string) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range paths {
		for _, s := range readScript(t, file) {
			title := strings.TrimSuffix(filepath.Base(file), ".txt") + "/" + s.title
			if slices.Contains(titles, title) {
				t.Errorf("two scenarios are called %s", title)
			}
			if !strings.HasPrefix(s.title, "D") {
				t.Errorf("%s cites no rule", title)
			}
			titles = append(titles, title)
		}
	}
	return titles
}
