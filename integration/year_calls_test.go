package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
)

// judged is what must become of a call: what pays for it, or why it is refused.
type judged struct{ funding, refusal string }

// judge foretells a pay-per-use call (D5, D11, D21, D27).
func (a *yearAccount) judge(operation string) judged {
	b, month := a.book(a.now), monthOf(a.now)
	u := a.uses[operation]
	if u.month != month {
		u = yearUse{month: month}
		a.uses[operation] = u
	}
	paying := a.paying(operation)
	funding, refusal := "payg", ""
	switch {
	case a.released != 0:
		return judged{refusal: "released"}
	case a.arrears == 0 && u.free < b.free[operation]:
		funding = "free:" + strings.ReplaceAll(month, "-", "")
	case len(paying) > 0:
		funding = fmt.Sprint("package:", a.packs[paying[0]].number)
	case a.arrears != 0:
		return judged{refusal: "arrears"}
	case !a.payPerUse:
		refusal = "payment-required"
	}
	if most := b.qps[operation]; most > 0 && !a.room(operation, most, refusal == "") {
		return judged{refusal: "rate-limited"}
	}
	return judged{funding, refusal}
}

// room reports whether the present instant has room for a call, and takes it.
func (a *yearAccount) room(what string, most int, take bool) bool {
	w := a.windows[what]
	if w.at != a.now {
		w = window{at: a.now}
	}
	if w.calls >= int64(most) {
		return false
	}
	if take {
		w.calls++
	}
	a.windows[what] = w
	return true
}

// searchCall is a call to an instance by a key that is bound to it.
type searchCall struct{ instance, class, product, picture string }

func (c searchCall) form() string {
	form := url.Values{"InstanceName": {c.instance}}
	if c.class != "search" {
		form.Set("ProductId", c.product)
	}
	if c.class == "add" || c.class == "delete" && c.picture != "" {
		form.Set("PicName", c.picture)
	}
	return form.Encode()
}

// judgeSearch foretells a subscribed call (D27, D28, D32).
func (a *yearAccount) judgeSearch(c searchCall) judged {
	in := a.instance(c.instance)
	switch {
	case a.released != 0, in != nil && in.released != 0:
		return judged{refusal: "released"}
	case in == nil:
		return judged{refusal: "payment-required"}
	}
	t := in.running(a.now)
	if t == nil {
		return judged{refusal: "subscription-expired"}
	}
	most := t.qps
	if c.class == "delete" {
		most = t.delete
	}
	full := c.class == "add" && in.held() >= t.images && !in.images[c.product+"/"+c.picture]
	switch {
	case !a.room(c.instance+"/"+c.class, most, !full):
		return judged{refusal: "rate-limited"}
	case full:
		return judged{refusal: "image-capacity"}
	}
	return judged{funding: fmt.Sprint("subscription:", t.number)}
}

// done changes the images that an instance holds (D28).
func (a *yearAccount) done(c searchCall) {
	images := a.instance(c.instance).images
	switch image := c.product + "/" + c.picture; {
	case c.class == "add":
		images[image] = true
	case c.class == "delete" && c.picture != "":
		delete(images, image)
	case c.class == "delete":
		maps.DeleteFunc(images, func(image string, _ bool) bool { return strings.HasPrefix(image, c.product+"/") })
	}
}

// count notes a call that has ended, for the settlement of its hour.
func (a *yearAccount) count(operation, word string) {
	a.hour[operation+" "+word]++
	a.alarm(nextHour(a.now), dueCalls, "settlement", (*yearAccount).settle)
	kind, number, _ := strings.Cut(word, ":")
	switch u := a.uses[operation]; kind {
	case "free":
		u.free++
		a.uses[operation] = u
	case "package":
		a.packs[numberOf(number)-1].used++
	}
}

func numberOf(text string) (n int) {
	fmt.Sscan(text, &n)
	return n
}

// settle debits the hour that ends (D12), and judges (D19).
func (a *yearAccount) settle(at int64) {
	month, p := monthOf(at-1), a.book(at-3600).prices
	before, total := a.balance, int64(0)
	for _, line := range slices.Sorted(maps.Keys(a.hour)) {
		calls := a.hour[line]
		a.lines[month+" "+line] += calls
		operation, word, _ := strings.Cut(line, " ")
		kind, number, _ := strings.Cut(word, ":")
		switch u := a.uses[operation]; kind {
		case "payg":
			total += p.charge(operation, u.calls+calls) - p.charge(operation, u.calls)
			u.calls += calls
			a.uses[operation] = u
		case "package":
			a.usePackage(&a.packs[numberOf(number)-1], calls, at)
		}
	}
	clear(a.hour)
	a.move(at, month, "usage", -total)
	if a.owes() {
		a.enterArrears(at)
		return
	}
	a.fellLow(at, before)
}

func (a *yearAccount) usePackage(p *yearPack, calls, at int64) {
	for _, percent := range []int64{80, 90, 100} {
		if 100*p.settled < percent*p.quota && 100*(p.settled+calls) >= percent*p.quota {
			a.event(at, "notice-package-used", fmt.Sprint("package:", p.number))
		}
	}
	p.settled += calls
}

// yearFaults go wrong in about one of eight calls.
var yearFaults = []struct{ fault, reason string }{
	{"error-in-200", "failed-body"}, {"status=404", "failed-status"}, {"status=503", "failed-status"},
	{"truncate", "failed-truncated"}, {"truncate-chunked", "failed-truncated"}, {"not-json", "failed-not-json"},
	{"hangup", "failed-upstream"}, {"gzip", ""}, {"null-error", ""}, {"chunked", ""}, {"early-hints", ""}, {"pad=3000", ""},
}

var searchPaths = map[string]string{"search": "/v2/image/search", "add": "/v2/image/add", "delete": "/v2/image/delete"}

// burst makes calls of an account, one after the other, and holds what the
// client sees against what must become of each.
func (y *year) burst(a *yearAccount, r *rand.Rand) {
	if a.released != 0 && r.IntN(6) > 0 {
		return
	}
	name := a.id + pick(r, "-a", "-b")
	if in := a.instance(name); r.IntN(4) == 0 || in != nil && r.IntN(3) == 0 {
		y.searchBurst(a, searchCall{instance: name, class: pick(r, "search", "add", "add", "add", "delete")}, r)
		return
	}
	operation := pick(r, append(yearOperations, tagging, tagging, tagging)...)
	c := call{Key: y.keys[a.id][""], Path: fmt.Sprintf(paths[operation], a.id)}
	for range 1 + r.IntN(y.most) {
		y.one(a, c, operation, a.judge(operation), r)
	}
}

func (y *year) searchBurst(a *yearAccount, s searchCall, r *rand.Rand) {
	c := call{Key: y.keys[a.id][s.instance], Path: searchPaths[s.class], Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
	for range 1 + r.IntN(y.most) {
		s.product, s.picture = fmt.Sprint("product-", r.IntN(6)), fmt.Sprint("picture-", r.IntN(7))
		if s.class == "delete" && r.IntN(4) == 0 {
			s.picture = ""
		}
		c.Body = s.form()
		switch word := y.one(a, c, "search/"+s.class, a.judgeSearch(s), r); {
		case fundings(word):
			a.done(s)
		case word == "failed-truncated" && s.class != "search": // the upstream may have done it
			a.instance(s.instance).uncertain++
		}
	}
}

// one makes a call, and returns what paid for it or why it was not billed.
func (y *year) one(a *yearAccount, c call, operation string, j judged, r *rand.Rand) (word string) {
	fault := yearFaults[r.IntN(len(yearFaults))]
	if r.IntN(5) > 0 {
		fault = struct{ fault, reason string }{}
	}
	c.Fault = strings.TrimSuffix("canned,"+fault.fault, ",")
	c.ID = fmt.Sprintf("%s/%s/%d", a.id, monthOf(a.now), y.calls.Add(1))
	got := y.call(c)
	ok := got.reason() == j.refusal
	word = j.refusal
	if j.refusal == "" {
		word = fault.reason
		ok = ok && (fault.reason != "" || got.Whole && got.Status == 200)
		if word == "" {
			word = j.funding
		}
	}
	if !ok {
		y.t.Errorf("%s at %s, %s (%s, %s): status %d, whole %t, %s, want %+v", a.id, localTime(a.now), operation, c.Fault, c.Body, got.Status, got.Whole, got.Body, j)
	}
	kind, _, _ := strings.Cut(word, ":")
	a.seen["call "+kind]++
	a.count(operation, word)
	return word
}
