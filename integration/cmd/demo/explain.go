package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// explain prints commands that work when pasted into another terminal in this
// folder.
func (d *demo) explain(w io.Writer) {
	month := time.Now().In(time.FixedZone("+08:00", 8*3600)).Format("2006-01") // the example's billing zone
	tagging := "@" + filepath.ToSlash(filepath.Join(d.dir, "tagging.json"))
	form := "@" + filepath.ToSlash(filepath.Join(d.dir, "search.form"))
	call := func(what, account, args string) {
		fmt.Fprintf(w, "\n# %s\ncurl -s -H 'X-Api-Key: %s' %s\n", what, d.keys[account], args)
	}
	json := "-H 'Content-Type: application/json' -d " + tagging + " " + d.call("/v2/demo/image/tagging")
	fmt.Fprintf(w, "\nThe gateway serves http://%s. Paste into another terminal:\n", d.site)
	call("tag a picture: counted, the first 1,000 of a month are free", "demo-tagging", json)
	call("add a picture to the search index", "demo-search", "-d "+form+" "+d.call("/v2/image/add"))
	call("and find it", "demo-search", "-d "+form+" "+d.call("/v2/image/search"))
	call("two searches at once on a trial of one a second: the second is refused with 429", "demo-small",
		"-i -d "+form+" '"+d.call("/v2/image/search?n=[1-2]")+"'")
	call("an account that owes money: refused with 402", "demo-late", "-i "+json)
	admin := func(what, args string) { fmt.Fprintf(w, "\n# %s\ncurl -s %s\n", what, args) }
	admin("what an account has used so far", d.api("/accounts/demo-tagging/usage"))
	admin("the bill of an account for this month", "'"+d.api("/accounts/demo-late/statements/"+month+"?format=table")+"'")
	admin("what a larger plan would cost the trial for the rest of its month, now and in five minutes; nothing happens",
		ask(`{"row":"s2500k-5"}`)+d.api("/accounts/demo-small/instances/demo/changes/preview"))
	admin("a second trial: refused with 409, there is one for each customer",
		"-i -H 'Idempotency-Key: demo-again' "+ask(`{"instance":"again","row":"s100k-1","trial":true}`)+d.api("/accounts/demo-small/subscriptions"))
	admin("what 50,000 pictures a month cost in a year, under every plan",
		ask(`{"calls":{"operation":"recognition/image-tagging","per_month":50000}}`)+d.api("/price"))
	admin("settle now instead of at the end of the hour", "-X POST "+d.api("/settle"))
	fmt.Fprintf(w, "\nThe same from the command line: %s usage demo-tagging; %[1]s help\nCtrl-C stops it; the ledger stays.\n", d.gateway)
}

// ask are the arguments that send JSON.
func ask(body string) string { return "-H 'Content-Type: application/json' -d '" + body + "' " }
