// Package cli is the commands of the tallygate binary besides Caddy's own. They
// talk to a running gateway through its admin endpoint; `pricebook lint`, and
// `pricebook diff` of two files, need none.
//
//	tallygate account create acme
//	tallygate topup acme 100.00 --reference "wire 4711"
//	tallygate key create acme --label shop
//	tallygate usage acme
package cli

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func init() {
	if caddy.CustomBinaryName == "" {
		caddy.CustomBinaryName, caddy.CustomLongDescription = "tallygate", description
	}
	for _, c := range commands {
		caddycmd.RegisterCommand(c)
	}
}

const description = `Tallygate is a Caddy that stands in front of your APIs, counts the calls that
succeed, refuses those that may not run, and turns the count into money that
anyone can check.

	tallygate run                  run the gateway that the Caddyfile describes
	tallygate account create acme  open an account in it
	tallygate status               show how it is

All of Caddy's commands are here too.`

// commands are the nouns, as Caddy registers them.
var commands = []caddycmd.Command{
	{Name: "account", Usage: "<verb>", Short: "Open, list, show and change accounts", CobraFunc: accountCommand},
	{Name: "key", Usage: "<verb>", Short: "Create, list and revoke API keys", CobraFunc: keyCommand},
	{Name: "topup", Usage: "<account> <amount> --reference <payment>", Short: "Add money that was paid to a balance", CobraFunc: topUpCommand},
	{Name: "adjust", Usage: "<account> <amount> --reason <why> --reference <what>", Short: "Correct a balance, up or down (finance role)", CobraFunc: adjustCommand},
	{Name: "package", Usage: "<verb>", Short: "Buy, renew and list packages of prepaid calls", CobraFunc: packageCommand},
	{Name: "subscription", Usage: "<verb>", Short: "Buy, try, renew, change and list subscriptions of search instances", CobraFunc: subscriptionCommand},
	{Name: "row", Usage: "<verb>", Short: "Put subscription rows on sale for one account", CobraFunc: rowCommand},
	{Name: "price", Usage: "<verb>", Short: "Say what calls or a subscription would cost", CobraFunc: priceCommand},
	{Name: "usage", Usage: "<account>", Short: "Show what an account used this month so far", CobraFunc: usageCommand},
	{Name: "statement", Usage: "<account> [--month 2026-11]", Short: "Show, list and replay an account's statements", CobraFunc: statementCommand},
	{Name: "events", Usage: "<account>", Short: "List what happened to an account", CobraFunc: eventsCommand},
	{Name: "release", Usage: "<verb>", Short: "List and acknowledge releases of accounts and instances", CobraFunc: releaseCommand},
	{Name: "images", Usage: "<verb>", Short: "Show the images of an instance, and reconcile them with the upstream", CobraFunc: imagesCommand},
	{Name: "pricebook", Usage: "<verb>", Short: "Show the prices in force; check, compare and schedule price books", CobraFunc: priceBookCommand},
	{Name: "verify", Usage: "[<account>]", Short: "Make the ledger again from its journal, and compare", CobraFunc: verifyCommand},
	{Name: "backup", Usage: "--to <file> [--since <earlier file>]", Short: "Back up the ledger while it runs; check backups", CobraFunc: backupCommand},
	{Name: "restore", Usage: "--to <folder> <full backup> [<increment>…]", Short: "Make a ledger folder from backups", CobraFunc: restoreCommand},
	{Name: "repair", Usage: "--config <Caddyfile>", Short: "Make a damaged ledger again, without the gateway", CobraFunc: repairCommand},
	{Name: "settle", Short: "Settle now what is counted so far", CobraFunc: settleCommand},
	{Name: "clock", Usage: "<verb>", Short: "Show the clock, accept a wall clock that is doubted, move a test clock", CobraFunc: clockCommand},
	{Name: "refusal", Usage: "<verb>", Short: "Read the refusal id of a denied call", CobraFunc: refusalCommand},
	{Name: "status", Short: "Show how the running gateway is", CobraFunc: statusCommand},
}

// session is one run of a command.
type session struct {
	cmd  *cobra.Command
	args []string
	out  io.Writer
	json bool
	client
}

// action makes a function what a command does with a running gateway.
func action(cmd *cobra.Command, f func(*session) error) {
	flags := cmd.Flags()
	address := flags.String("address", "", "the gateway's admin endpoint: host:port or unix//path (default $CADDY_ADMIN, else "+caddy.DefaultAdminListen+")")
	asJSON := flags.Bool("json", false, "print the answer as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := newClient(*address)
		if err != nil {
			return err
		}
		return f(&session{cmd: cmd, args: args, out: cmd.OutOrStdout(), json: *asJSON, client: c})
	}
}

// commandAction is an action that changes something, and may be repeated.
func commandAction(cmd *cobra.Command, f func(*session, command) error) {
	key := cmd.Flags().String("idempotency-key", "", "repeats a command safely: with the key of an earlier run it is done once (default: a new one)")
	action(cmd, func(s *session) error {
		c := command{key: *key}
		if c.key == "" {
			c.key = rand.Text()
		}
		return f(s, c)
	})
}

// command is how a change is asked for.
type command struct{ key string }

// verb adds a command below a noun. A noun alone shows its help; with a word
// that is no verb of it, it fails.
func verb(noun *cobra.Command, use, short, example string, args cobra.PositionalArgs) *cobra.Command {
	noun.FParseErrWhitelist.UnknownFlags = true // it is the word that is wrong then
	noun.RunE = func(noun *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("%q is no verb of %s: see %s --help", args[0], noun.Name(), noun.CommandPath())
		}
		return noun.Help()
	}
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: args}
	noun.AddCommand(cmd)
	return cmd
}

// named makes args a check that says what is missing.
func named(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("missing <%s>", names[len(args)])
		}
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// onAccount is the path of an account, and below.
func onAccount(id string, more ...string) string {
	path := "/accounts/" + url.PathEscape(id)
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

// fetch asks for something.
func fetch[T any](s *session, path string) (v T, err error) {
	a, err := s.send(s.cmd.Context(), request{method: "GET", path: path})
	if err != nil {
		return v, err
	}
	return v, a.decode(&v)
}

// show prints v as JSON where that is asked for, else as people read it.
func (s *session) show(v any, people func()) error {
	if !s.json {
		people()
		return nil
	}
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// say prints a line.
func (s *session) say(format string, args ...any) {
	fmt.Fprintln(s.out, plain(fmt.Sprintf(format, args...)))
}

// gap prints an empty line.
func (s *session) gap() { fmt.Fprintln(s.out) }

// change sends a command and prints its answer.
func change[T any](s *session, c command, method, path string, body any, people func(T)) error {
	a, err := s.send(s.cmd.Context(), request{method: method, path: path, key: c.key, body: body})
	if err != nil {
		return err
	}
	return answer(s, a, people)
}

// answer prints what a command is answered.
func answer[T any](s *session, a reply, people func(T)) error {
	var v T
	if err := a.decode(&v); err != nil {
		return err
	}
	return s.show(v, func() {
		if a.replayed {
			s.say("This was done before, by an earlier command with the same idempotency key. Its answer was:")
		}
		people(v)
	})
}
