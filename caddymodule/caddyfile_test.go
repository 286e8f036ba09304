package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the adapted JSON into testdata")

// Each file of testdata is a Caddyfile and, under a line, the JSON it stands for.
func TestAdapt(t *testing.T) {
	t.Parallel()
	const line = "----------\n"
	names, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(names) == 0 {
		t.Fatal(err, names)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want, _ := strings.Cut(string(content), line)
			config, err := adapt(caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, config, "", "\t"); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			if *update {
				if err := os.WriteFile(name, []byte(caddyfile+line+got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got.String() != want {
				t.Errorf("adapted to\n%s", got.String())
			}
		})
	}
}

// The JSON of a handler is read back as what it was written from.
func TestHandlerJSON(t *testing.T) {
	t.Parallel()
	config, err := adapt(":1 {\n" + standardMeter + "\n}")
	if err != nil {
		t.Fatal(err)
	}
	start := bytes.Index(config, []byte(`{"handler":"meter"`))
	if start < 0 {
		t.Fatalf("%s", config)
	}
	var fields json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(config[start:])).Decode(&fields); err != nil {
		t.Fatal(err)
	}
	var h Handler
	if err := json.Unmarshal(fields, &h); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&h)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(string(fields), `"handler":"meter",`, "", 1); !sameJSON(t, string(again), want) {
		t.Errorf("%s\n%s", again, want)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	normal := func(s string) string {
		var v any
		if err := json.Unmarshal([]byte(s), &v); err != nil {
			t.Fatal(err)
		}
		out, _ := json.Marshal(v)
		return string(out)
	}
	return normal(a) == normal(b)
}

func TestWrongCaddyfiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ setting, want string }{
		{"tallygate_health dead", `tallygate_health "dead": use live or ready`},
		{"tallygate_health live ready", "2 arguments: write tallygate_health [live | ready]"},
		{"tallygate_health {\ninterval 1s\n}", "tallygate_health has no settings"},
		{"meter x", `meter takes no argument, but has "x"`},
		{"meter {\nkeys a\n}", `meter has no setting "keys"; there are forward_key, handle_errors, images, instance, key,`},
		{"meter {\nmode dry\n}", `mode "dry": use enforce or observe`},
		{"meter {\nmode\n}", "0 arguments: write mode enforce | observe"},
		{"meter {\nmode observe\nmode observe\n}", "mode is there twice"},
		{"meter {\nkey cookie a\n}", `key from "cookie": write key header`},
		{"meter {\nkey header\n}", "1 argument: write key header"},
		{"meter {\nkey bearer x\n}", "2 arguments: write key header"},
		{"meter {\nforward_key yes\n}", "1 argument: write forward_key alone"},
		{"meter {\noperation a/b POST\n}", "2 arguments: write operation <name>"},
		{"meter {\noperation a/b post /x\n}", `operation a/b: method "post": write a method in capitals`},
		{"meter {\noperation a/b POST x\n}", `operation a/b: path "x": write a decoded path`},
		{"meter {\noperation a/b POST / acton X\n}", `after the path: "acton"`},
		{"meter {\noperation a/b POST / action\n}", `after the path: "action"`},
		{"meter {\nunmetered /healthz\n}", "1 argument: write unmetered <method> <path>"},
		{"meter {\noperation a/b POST /x/{a}\noperation a/c POST /x/{b}\n}", "operation a/c: POST /x/{b} is there twice"},
		{"meter {\noperation a/b POST /x\nunmetered POST /x\n}", "unmetered: POST /x is there twice"},
		{"meter {\nunmetered GET x\n}", `unmetered: path "x"`},
		{"meter {\ninstance a/* cookie x\n}", `instance in "cookie": write instance <operations> header <name> | query <name> | form <name> | json <name>`},
		{"meter {\ninstance a/* query x {\nprefix 1KiB\n}\n}", "prefix is of a body, and the instance stands in the query"},
		{"meter {\ninstance a/* form x {\nprefix much\n}\n}", `prefix "much": write a size`},
		{"meter {\ninstance a/* form x {\nbuffer 1KiB\n}\n}", `instance has no setting "buffer"; there are prefix`},
		{"meter {\nimages\n}", "0 arguments: write images <operations> { }"},
		{"meter {\nimages a {\nproducts form x\n}\n}", `images has no setting "products"; there are buffer, picture, product, wait`},
		{"meter {\nimages a {\nproduct form\n}\n}", "1 argument: write product header | query | form | json <name>, as in: product form ProductId"},
		{"meter {\nimages a {\npicture body x\n}\n}", `picture in "body": write picture header`},
		{"meter {\nimages a {\nproduct form x\nproduct form y\n}\n}", "product is there twice"},
		{"meter {\nimages a {\nwait soon\n}\n}", `wait "soon": write wait <duration>, as in: wait 5s`},
		{"meter {\nimages a {\nbuffer 0\n}\n}", `buffer "0": write a size, as in: buffer 8MiB`},
		{"meter {\nkey bearer\nimages b/* {\nproduct form x\n}\noperation a/b POST /x\n}", "images b/*: there is no such operation"},
		{"meter {\nsuccess\n}", "0 arguments: write success <operations> { }"},
		{"meter {\nsuccess a {\nstatuses 200\n}\n}", `success has no setting "statuses"; there are member, prefix, status, trailer`},
		{"meter {\nsuccess a {\nstatus ok\n}\n}", `status "ok": write one from 200`},
		{"meter {\nsuccess a {\nmember x\n}\n}", "1 argument: write member <name> absent"},
		{"meter {\nsuccess a {\nmember x 1 2\n}\n}", `member x: "2" after "1": put an or`},
		{"meter {\nsuccess a {\nmember x 1 or\n}\n}", "member x: a value is missing at the end"},
		{"meter {\nsuccess a {\nmember x not\n}\n}", "member x: a value is missing at the end"},
		{"meter {\nsuccess a {\nprefix much\n}\n}", `prefix "much": write a size`},
		{"meter {\nsuccess a {\nprefix 1GB\n}\n}", "prefix 1000000000: choose from"},
		{"meter {\nsuccess a {\ntrailer x\n}\n}", "1 argument: write trailer <name> <value>"},
		{"meter {\nrefusal a {\nmembers x\n}\n}", "1 argument: write members <code>"},
		{"meter {\nrefusal a {\nmembers x x\n}\n}", "members: x is there twice"},
		{"meter {\nrefusal a {\nmembers type x\n}\n}", "members: type is a member of every problem"},
		{"meter {\nrefusal a {\nstatus poor 402\n}\n}", "status poor: there is no such reason; there are unauthenticated, rate-limited,"},
		{"meter {\nrefusal a {\nstatus arrears x\n}\n}", `status arrears "x": write a number`},
		{"meter {\nrefusal a {\nstatus arrears 200\n}\n}", "a refusal's status is from 400 to 599"},
		{"meter {\nkey bearer\n}", "no operation: list what is metered"},
		{"meter {\noperation a/b POST /x\n}", "no key: say where requests carry it"},
		{"meter {\nkey bearer\nsuccess b/* {\nstatus 2xx\n}\noperation a/b POST /x\n}", "success b/*: there is no such operation; there are a/b"},
		{"meter {\nkey bearer\nrefusal a/c {\nmembers x y\n}\noperation a/b POST /x\n}", "refusal a/c: there is no such operation"},
		{"meter {\nkey bearer\ninstance b/* query x\noperation a/b POST /x\n}", "instance b/*: there is no such operation"},
	} {
		_, err := adapt(":1 {\n" + c.setting + "\n}")
		complains(t, c.setting, err, c.want)
	}
	for _, c := range []struct{ setting, want string }{
		{"tallygate x", `tallygate takes no argument, but has "x"`},
		{"tallygate {\nledgers x\n}", `tallygate has no setting "ledgers"; there are anchor, arrears,`},
		{"tallygate {\nledger a b\n}", "2 arguments: write ledger <folder>"},
		{"tallygate {\nledger a\nledger b\n}", "ledger is there twice"},
		{"tallygate {\nseal_wait soon\n}", `seal_wait "soon": write seal_wait <duration>`},
		{"tallygate {\nseal_wait -1s\n}", `seal_wait "-1s": write seal_wait <duration>`},
		{"tallygate {\nclock_gap long\n}", `clock_gap "long": write clock_gap <duration>, as in: clock_gap 31d`},
		{"tallygate {\ntest_clock noon\n}", `test_clock "noon": write date, time and zone`},
		{"tallygate {\narrears {\ngrace\n}\n}", "0 arguments: write grace <duration>"},
		{"tallygate {\narrears {\nenforce daily\n}\n}", `enforce "daily": write enforce hourly | realtime`},
		{"tallygate {\narrears {\nallow_in_grace yes\n}\n}", "allow_in_grace"},
		{"tallygate {\nreserve\n}", "0 arguments: write reserve <size>, as in: reserve 64MiB"},
		{"tallygate {\nreserve much\n}", `reserve "much": write reserve <size>, as in: reserve 64MiB`},
		{"tallygate {\nreserve 64MiB\nreserve 64MiB\n}", "reserve is there twice"},
		{"tallygate {\nballast -1\n}", `ballast "-1": write ballast <size>, as in: ballast 128MiB, or: ballast 0`},
		{"tallygate {\nballast 0\nballast 0\n}", "ballast is there twice"},
		{"tallygate {\non_failure ignore\n}", `on_failure "ignore": write on_failure deny | allow`},
		{"tallygate {\nexpiry midnight\n}", `expiry "midnight": write expiry instant | end_of_day`},
		{"tallygate {\npurchases_per_month 0\n}", `purchases_per_month "0": write purchases_per_month <number>`},
		{"tallygate {\nfinance secret\n}", `finance "secret": write the SHA-256 of a token, 64 hex digits`},
		{"tallygate {\ntimezone Peking\n}", `timezone "Peking": use an IANA name`},
		{"tallygate {\nflush_interval 7m\n}", "flush_interval: interval 7m0s does not divide an hour"},
		{"tallygate {\n}\ntallygate {\n}", "tallygate is there twice"},
	} {
		_, err := adapt("{\n" + c.setting + "\n}")
		complains(t, c.setting, err, c.want)
	}
}

func complains(t *testing.T, about string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Caddyfile:") {
		t.Errorf("%q: %v, want %q and the place", about, err, want)
	}
}

func TestWrongConfigurations(t *testing.T) {
	t.Parallel()
	const good = `"keys":[{"from":"bearer"}],"operations":[{"name":"plain/call","method":"GET","path":"/a"}]`
	for _, c := range []struct{ config, want string }{
		{`{` + good + `}`, ""},
		{`{` + good + `,"mode":"dry"}`, `mode "dry"`},
		{`{"keys":[{"from":"bearer"}]}`, "no operation: list what is metered"},
		{`{"operations":[{"name":"plain/call","method":"GET","path":"/a"}]}`, "no key: say where"},
		{`{` + strings.Replace(good, "bearer", "header", 1) + `}`, "key from header: name it"},
		{`{` + strings.Replace(good, `"bearer"`, `"header","name":"X_Api_Key"`, 1) + `}`, "key from header X_Api_Key: Caddy drops"},
		{`{` + strings.Replace(good, "bearer", "cookie", 1) + `}`, `key from "cookie"`},
		{`{` + strings.Replace(good, "plain/call", "dear/call", 1) + `}`, "dear/call is not priced"},
		{`{` + strings.Replace(good, "plain/call", "", 1) + `}`, "operation GET /a has no name"},
		{`{` + good + `,"unmetered":[{"method":"GET","path":"/a"}]}`, "unmetered: GET /a is there twice"},
		{`{` + good + `,"success":[{"operations":"search/*"}]}`, "success search/*: there is no such operation; there are plain/call"},
		{`{` + good + `,"success":[{"operations":"*"},{"operations":"*"}]}`, "success * is there twice"},
		{`{` + good + `,"success":[{"operations":"*/call"}]}`, "* may only stand at the end"},
		{`{` + good + `,"success":[{"operations":"*","status":["1xx"]}]}`, `success *: status "1xx"`},
		{`{` + good + `,"refusals":[{"operations":"*","members":["x"]}]}`, "refusal *: members: name two"},
		{`{` + good + `,"instances":[{"operations":"*","from":"body","name":"x"}]}`, "instance *: say where it stands"},
		{`{` + good + `,"instances":[{"operations":"*","from":"form"}]}`, "instance *: say where it stands"},
		{`{` + good + `,"instances":[{"operations":"*"}]}`, "instance *: say where it stands"},
		{`{` + good + `,"images":[{"operations":"*","picture":{"from":"form","name":"x"}}]}`, "images *: say where the product stands"},
		{`{` + good + `,"images":[{"operations":"*","product":{"name":"x"}}]}`, `images *: "" "x" is no place in a request`},
		{`{` + good + `,"images":[{"operations":"*","product":{"from":"form","name":"x"},"picture":{"from":"json","name":"y"}}]}`, "images *: a body is a form or JSON"},
		{`{` + good + `,"instances":[{"operations":"*","from":"json","name":"i"}],"images":[{"operations":"*","product":{"from":"form","name":"x"}}]}`, "images *: a body is a form or JSON"},
		{`{` + good + `,"images":[{"operations":"*","product":{"from":"form","name":"x"}}]}`, ""},
	} {
		var h Handler
		if err := json.Unmarshal([]byte(c.config), &h); err != nil {
			t.Fatal(err)
		}
		err := h.provision(&gate{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.config, err, c.want)
		}
	}
}

func TestPlaceholdersInSettings(t *testing.T) {
	t.Setenv("TALLYGATE_TEST_FOLDER", "/var/ledgers")
	a := &App{Ledger: "{env.TALLYGATE_TEST_FOLDER}/one", PriceBook: "./prices.yaml"}
	if err := a.expand(); err != nil || a.Ledger != "/var/ledgers/one" || a.PriceBook != "./prices.yaml" {
		t.Error(err, a.Ledger, a.PriceBook)
	}
	for _, setting := range []string{"{env.TALLYGATE_TEST_UNSET}/one", "{nonsense}"} {
		err := (&App{Anchor: setting}).expand()
		if err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
