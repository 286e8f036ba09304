package integration

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// fetchStatements fetches the statements of the month before, when it has just
// been closed.
func (y *year) fetchStatements(month int) {
	if month == 1 {
		return
	}
	before := fmt.Sprintf("2026-%02d", month-1)
	y.each(func(a *yearAccount, _ *rand.Rand) {
		for _, format := range []string{"json", "table", "csv"} {
			if format == "json" || before == "2026-03" {
				text := y.statementText(a, before, format)
				a.mu.Lock()
				y.statements[a.id+"/statements/"+before+"?format="+format] = text
				a.mu.Unlock()
			}
		}
	})
}

func (y *year) statementText(a *yearAccount, month, format string) string {
	return y.get("http://" + y.Admin + "/tallygate/accounts/" + a.id + "/statements/" + month + "?format=" + format)
}

// reconcile holds the whole year against the model.
func (y *year) reconcile() {
	for path, text := range y.statements {
		if again := y.get("http://" + y.Admin + "/tallygate/accounts/" + path); again != text {
			y.t.Errorf("%s was\n%s\nand is\n%s", path, text, again)
		}
	}
	y.each(func(a *yearAccount, _ *rand.Rand) {
		y.checkAccount(a)
		y.checkStatements(a)
		y.checkEvents(a)
	})
	y.checkReleases()
	y.checkTruth()
	y.checkMoney()
	y.checkReplays()
	y.checkVerify()
}

func (y *year) checkAccount(a *yearAccount) {
	var got struct {
		Balance, State string
		Arrears        time.Time `json:"arrears_since"`
		Released       time.Time
		Acknowledged   bool `json:"release_acknowledged"`
		Packages       []struct{ Package, Used, Open, Left int64 }
		Instances      []struct {
			Instance, State, Row string
			Images, Uncertain    int64
		}
		Subscriptions []struct {
			Subscription int
			Price        string
			Void         bool
		}
	}
	y.do("GET", "/accounts/"+a.id, nil, &got)
	unix := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.Unix()
	}
	if got.Balance != dollars(a.balance) || got.State != a.state() || unix(got.Arrears) != a.arrears || unix(got.Released) != a.released || got.Acknowledged != a.acknowledged {
		y.t.Errorf("%s: %+v, want balance %s, %s, arrears %d, released %d %t", a.id, got, dollars(a.balance), a.state(), a.arrears, a.released, a.acknowledged)
	}
	for _, p := range got.Packages {
		if want := a.packs[p.Package-1]; p.Used != want.used || p.Open != 0 || p.Left != want.quota-want.used {
			y.t.Errorf("%s: %+v, want %+v", a.id, p, want)
		}
	}
	for _, i := range got.Instances {
		in, want := a.instance(i.Instance), "retained"
		switch {
		case in.released != 0:
			want = "released"
		case in.running(a.now) != nil:
			want = "running"
		}
		if i.State != want || i.Images != int64(len(in.images)) || i.Uncertain != in.uncertain || want == "running" && i.Row != in.running(a.now).row {
			y.t.Errorf("%s: %+v, want %s", a.id, i, want)
		}
	}
	for _, s := range got.Subscriptions {
		for _, in := range a.instances {
			for _, t := range in.terms {
				if t.number == s.Subscription && (s.Price != dollars(t.basis) || s.Void != t.void) {
					y.t.Errorf("%s: %+v, want %+v", a.id, s, t)
				}
			}
		}
	}
}

// checkStatements: numbered without gaps, chained, and each as the model has it
// (D12, D37).
func (y *year) checkStatements(a *yearAccount) {
	var list struct {
		Statements []struct{ Number, Month, Opening, Closing string }
	}
	y.do("GET", "/accounts/"+a.id+"/statements", nil, &list)
	if len(list.Statements) != len(a.closed) {
		y.t.Errorf("%s has %d statements, want %d", a.id, len(list.Statements), len(a.closed))
	}
	closing := "0.00"
	for i, s := range list.Statements {
		want, ok := a.closed[s.Month]
		if !ok || s.Number != fmt.Sprintf("%s-%04d", a.id, i+1) || s.Opening != closing || s.Opening != dollars(want[0]) || s.Closing != dollars(want[1]) {
			y.t.Errorf("%s: statement %+v after %s, want %s", a.id, s, closing, []string{dollars(want[0]), dollars(want[1])})
		}
		closing = s.Closing
		y.checkStatement(a, s.Month)
	}
	for _, m := range a.moves { // auto-renewals at the year's very end
		if m.month == "2027-01" {
			closing = dollars(cents(y.t, closing) + m.amount)
		}
	}
	if closing != dollars(a.balance) {
		y.t.Errorf("%s: the last statement leads to %s, the balance is %s", a.id, closing, dollars(a.balance))
	}
}

func (y *year) checkStatement(a *yearAccount, month string) {
	st := y.statement(a.id, month)
	at, _ := time.ParseInLocation("2006-01", month, east)
	b := y.world.book(at.AddDate(0, 1, 0).Unix() - 1)
	st.check(y.t, b.prices)
	lines, denied := map[string]int64{}, map[string]int64{}
	for line, n := range a.lines {
		if rest, ok := strings.CutPrefix(line, month+" "); ok {
			if operation, word, _ := strings.Cut(rest, " "); fundings(word) {
				lines[rest] = n
			} else {
				denied[operation+" "+word] = n
			}
		}
	}
	got := map[string]int64{}
	for _, l := range st.Lines {
		got[l.Operation+" "+l.Funding] = l.Calls
	}
	if !maps.Equal(got, lines) || !maps.Equal(st.notCounted(), denied) {
		y.t.Errorf("%s %s: the statement counts %v %v, want %v %v", a.id, month, got, st.notCounted(), lines, denied)
	}
	var moves, want []string
	for _, m := range st.Movements {
		moves = append(moves, fmt.Sprint(m.At.Unix(), " ", m.Kind, " ", m.Amount))
	}
	for _, m := range a.moves {
		if m.month == month {
			want = append(want, fmt.Sprint(m.at, " ", m.kind, " ", dollars(m.amount)))
		}
	}
	slices.Sort(moves)
	slices.Sort(want)
	if !slices.Equal(moves, want) {
		y.t.Errorf("%s %s: movements\n%s\nwant\n%s", a.id, month, strings.Join(moves, "\n"), strings.Join(want, "\n"))
	}
}

// fundings reports whether a word says what paid.
func fundings(word string) bool {
	kind, _, _ := strings.Cut(word, ":")
	return slices.Contains([]string{"free", "package", "payg", "subscription"}, kind)
}

// checkEvents: all that the model has, none else, in the order of their instants
// and without gaps; the states one after the other (D20).
func (y *year) checkEvents(a *yearAccount) {
	var got []yearEvent
	after := 0
	for {
		var page struct {
			Events []struct {
				Number        int
				At            time.Time
				Kind, Subject string
			}
			Next int
		}
		y.do("GET", fmt.Sprintf("/accounts/%s/events?limit=1000&after=%d", a.id, after), nil, &page)
		for _, e := range page.Events {
			if after++; e.Number != after {
				y.t.Errorf("%s: event %d follows %d", a.id, e.Number, after-1)
			}
			got = append(got, yearEvent{e.At.Unix(), e.Kind, e.Subject})
		}
		if page.Next == 0 {
			break
		}
	}
	before, last := "active", int64(0)
	for _, e := range got {
		if e.at < last {
			y.t.Errorf("%s: %v comes after an event of %s", a.id, e, localTime(last))
		}
		last = e.at
		a.seen["event "+e.kind]++
		if from, ok := followers[e.kind]; ok {
			if !slices.Contains(from, before) {
				y.t.Errorf("%s: %s follows %s at %s", a.id, e.kind, before, localTime(e.at))
			}
			before = e.kind
		}
	}
	y.compareEvents(a, got)
}

// followers are the states, and which each may follow.
var followers = map[string][]string{
	"arrears": {"active"}, "retention": {"arrears"}, "released": {"retention"}, "active": {"arrears", "retention"},
}

func (y *year) compareEvents(a *yearAccount, got []yearEvent) {
	order := func(e, f yearEvent) int {
		return cmp.Or(cmp.Compare(e.at, f.at), cmp.Compare(e.kind, f.kind), cmp.Compare(e.subject, f.subject))
	}
	want := slices.SortedFunc(slices.Values(a.events), order)
	slices.SortFunc(got, order)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			y.t.Errorf("%s: no event %s %v", a.id, localTime(want[i].at), want[i])
		case i >= len(want) || got[i] != want[i]:
			y.t.Errorf("%s: event %s %v, want %v", a.id, localTime(got[i].at), got[i], append(want, yearEvent{})[min(i, len(want))])
		default:
			continue
		}
		return
	}
}

// checkReleases holds what the operator is told to delete against what nobody
// has acknowledged (D23, D32).
func (y *year) checkReleases() {
	var got struct {
		Releases []struct{ Account, Instance string }
	}
	if text, err := y.commandLine(&got, "release", "list"); err != nil {
		y.t.Errorf("release list: %v: %s", err, text)
	}
	var told, want []string
	for _, r := range got.Releases {
		told = append(told, r.Account+" "+r.Instance)
	}
	for _, group := range y.groups {
		for _, a := range group {
			if a.released != 0 && !a.acknowledged {
				want = append(want, a.id+" ")
			}
			for _, in := range a.instances {
				if a.released == 0 && in.released != 0 && !in.acknowledged {
					want = append(want, a.id+" "+in.name)
				}
			}
		}
	}
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		y.t.Errorf("to be deleted are %q, want %q", told, want)
	}
}
