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
	fmt.Fprintf(w, "\nThe gateway serves %s. Paste into another terminal:\n", gatewayURL)
	call("tag a picture: counted, the first 1,000 of a month are free", "demo-tagging",
		fmt.Sprintf("-H 'Content-Type: application/json' -d %s %s/v2/demo/image/tagging", tagging, gatewayURL))
	call("add a picture to the search index", "demo-search", fmt.Sprintf("-d %s %s/v2/image/add", form, gatewayURL))
	call("and find it", "demo-search", fmt.Sprintf("-d %s %s/v2/image/search", form, gatewayURL))
	call("two searches at once on a plan of one a second: the second is refused with 429", "demo-small",
		fmt.Sprintf("-i -d %s '%s/v2/image/search?n=[1-2]'", form, gatewayURL))
	call("an account that owes money: refused with 402", "demo-late",
		fmt.Sprintf("-i -H 'Content-Type: application/json' -d %s %s/v2/demo/image/tagging", tagging, gatewayURL))
	admin := func(what, args string) { fmt.Fprintf(w, "\n# %s\ncurl -s %s\n", what, args) }
	admin("what an account has used so far", d.admin+"/accounts/demo-tagging/usage")
	admin("its bill of this month", fmt.Sprintf("'%s/accounts/demo-late/statements/%s?format=table'", d.admin, month))
	admin("settle now instead of at the end of the hour", "-X POST "+d.admin+"/settle")
	fmt.Fprintf(w, "\nThe same from the command line: build/tallygate usage demo-tagging; build/tallygate help\nCtrl-C stops it; the ledger stays.\n")
}
