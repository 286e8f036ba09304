package integration

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// The year's own calendar, roundings and price books, written down a second
// time.

const aDay = 24 * 3600

var east = time.FixedZone("+08:00", 8*3600)

// instantOf reads a local time such as 2026-01-31T10:00:00.
func instantOf(local string) int64 {
	at, err := time.ParseInLocation("2006-01-02T15:04:05", local, east)
	if err != nil {
		panic(err)
	}
	return at.Unix()
}

func localTime(unix int64) string { return time.Unix(unix, 0).In(east).Format(time.RFC3339) }

func monthOf(unix int64) string { return time.Unix(unix, 0).In(east).Format("2006-01") }

// nextHour and nextMonth are the first boundary after an instant.
func nextHour(unix int64) int64 { return unix - unix%3600 + 3600 }

func nextMonth(unix int64) int64 {
	at := time.Unix(unix, 0).In(east)
	return time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, east).Unix()
}

// monthsOn is so many calendar months after an instant, or the last day of a
// month that is too short (D15).
func monthsOn(anchor int64, months int) int64 {
	at := time.Unix(anchor, 0).In(east)
	last := time.Date(at.Year(), at.Month()+time.Month(months)+1, 0, 0, 0, 0, 0, east).Day()
	return time.Date(at.Year(), at.Month()+time.Month(months), min(at.Day(), last), at.Hour(), at.Minute(), at.Second(), 0, east).Unix()
}

// shareOf is amount × part ÷ whole, half away from zero (D30).
func shareOf(amount, part, whole int64) int64 {
	doubled := new(big.Int).Mul(big.NewInt(2*amount), big.NewInt(part))
	half := big.NewInt(whole)
	if amount < 0 {
		half.Neg(half)
	}
	return new(big.Int).Quo(doubled.Add(doubled, half), big.NewInt(2*whole)).Int64()
}

func dollars(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// yearBook is a price book as the test knows it.
type yearBook struct {
	from     int64
	prices   prices
	free     map[string]int64
	qps      map[string]int
	packages map[string]yearOffer
	rows     map[string]yearRow
}

type yearOffer struct {
	operation string
	calls     int64
	months    int
	price     int64
}

type yearRow struct {
	images      int64
	qps, delete int
	price       int64
	trial       bool
}

const (
	detection = "recognition/main-object-detection"
	celebrity = "recognition/celebrity-recognition"
	media     = "recognition/media-tagging"
)

var yearOperations = []string{celebrity, tagging, detection, media}

func januaryBook() *yearBook {
	return &yearBook{
		prices: prices{
			tagging:   {{30, "0.01373"}, {80, "0.00955"}, {0, "0.0071"}},
			detection: {{25, "0.0033333"}, {0, "0.00249"}},
			media:     {{0, "0.0055"}},
			celebrity: {{7, "0.125"}, {0, "0.0851"}},
		},
		free: map[string]int64{tagging: 20, media: 5},
		qps:  map[string]int{media: 8},
		packages: map[string]yearOffer{
			"tag-60-1mo":   {tagging, 60, 1, 55},
			"tag-300-1y":   {tagging, 300, 12, 231},
			"media-40-2mo": {media, 40, 2, 19},
		},
		rows: map[string]yearRow{
			"try":    {6, 2, 3, 3001, true},
			"small":  {12, 5, 3, 7999, false},
			"middle": {25, 8, 3, 14995, false},
			"large":  {60, 10, 3, 31000, false},
		},
	}
}

// julyBook has other tiers and allowances, and another catalogue.
func julyBook() *yearBook {
	b := januaryBook()
	b.prices = prices{
		tagging:   {{40, "0.01401"}, {60, "0.0088"}, {0, "0.00699"}},
		detection: {{0, "0.0031"}},
		media:     {{10, "0.0061"}, {0, "0.0049"}},
		celebrity: {{7, "0.1333"}, {0, "0.0851"}},
	}
	b.free = map[string]int64{tagging: 10, detection: 3}
	delete(b.packages, "media-40-2mo")
	b.packages["tag-60-1mo"] = yearOffer{tagging, 60, 1, 61}
	b.packages["det-50-1mo"] = yearOffer{detection, 50, 1, 12}
	b.rows["try"] = yearRow{8, 2, 3, 3307, true}
	b.rows["small"] = yearRow{12, 6, 3, 8111, false}
	return b
}

// octoberBook has another catalogue only.
func octoberBook() *yearBook {
	b := julyBook()
	b.packages["tag-300-1y"] = yearOffer{tagging, 300, 12, 199}
	b.rows["middle"] = yearRow{25, 8, 3, 13999, false}
	b.rows["huge"] = yearRow{80, 10, 3, 61313, false}
	return b
}

// yaml writes the book as the gateway reads it.
func (b *yearBook) yaml() string {
	var y strings.Builder
	y.WriteString("currency: USD\npay_per_use:\n")
	for _, operation := range yearOperations {
		fmt.Fprintf(&y, "  - operations: [%s]\n    free_per_month: %d\n", operation, b.free[operation])
		if b.qps[operation] > 0 {
			fmt.Fprintf(&y, "    qps: %d\n", b.qps[operation])
		}
		y.WriteString("    tiers:\n")
		for _, t := range b.prices[operation] {
			if t.upTo == 0 {
				fmt.Fprintf(&y, "      - {price: %s}\n", t.price)
				continue
			}
			fmt.Fprintf(&y, "      - {up_to: %d, price: %s}\n", t.upTo, t.price)
		}
	}
	y.WriteString("packages:\n")
	for _, id := range sortedKeys(b.packages) {
		p := b.packages[id]
		fmt.Fprintf(&y, "  - {id: %s, operation: %s, calls: %d, valid: %dmo, price: %s}\n", id, p.operation, p.calls, p.months, dollars(p.price))
	}
	y.WriteString("subscriptions:\n  - service: search\n    operations: {search/search: search, search/add: add, search/delete: delete}\n" +
		"    delete_qps: 3\n    rows:\n")
	for _, id := range sortedKeys(b.rows) {
		r := b.rows[id]
		fmt.Fprintf(&y, "      - {id: %s, images: %d, qps: %d, price: %s, trial: %t}\n", id, r.images, r.qps, dollars(r.price), r.trial)
	}
	return y.String()
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
