package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func keyCommand(noun *cobra.Command) {
	noun.Example = "  tallygate key create acme --label shop\n  tallygate key revoke acme 3fa94bc81d20"
	createKey(noun)
	action(verb(noun, "list <account>", "List an account's keys, without their secrets", "  tallygate key list acme", named("account")), listKeys)
	commandAction(verb(noun, "revoke <account> <key>", "Take a key away, at once", "  tallygate key revoke acme 3fa94bc81d20",
		named("account", "key")), revokeKey)
}

func createKey(noun *cobra.Command) {
	cmd := verb(noun, "create <account>", "Let a key stand for an account",
		"  tallygate key create acme --label shop\n"+
			"  tallygate key create acme --kind access-key-id --value AKEXAMPLE\n"+
			"  tallygate key create acme --value - < secret.txt", named("account"))
	cmd.Long = "Makes a new secret and prints it once; it is stored nowhere.\n\n" +
		"Other kinds, and secrets that the customer has already, are given with --value: what a request carries.\n" +
		"--value - reads it from the standard input, so that it stands in no shell history."
	kind := cmd.Flags().String("kind", string(account.SecretKey), "where requests carry the key: secret, access-key-id or identity")
	value := cmd.Flags().String("value", "", "what the client sends; - reads it from the standard input")
	label := cmd.Flags().String("label", "", "for people")
	instance := cmd.Flags().String("instance", "", "the search instance the key is bound to")
	commandAction(cmd, func(s *session, c command) error {
		body := web.NewKey{Kind: account.KeyKind(*kind), Value: *value, Label: *label, Instance: *instance}
		if *value == "-" {
			var err error
			if body.Value, err = readValue(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		return change(s, c, "POST", onAccount(s.args[0], "keys"), body, func(k web.NewKeyAnswer) {
			facts(s.out, "Key", k.Key, "Account", k.Account, "Kind", string(k.Kind), "Instance", k.Instance, "Label", k.Label, "Secret", k.Secret)
			if k.Note != "" {
				s.gap()
				s.say("Note: %s.", k.Note)
			}
		})
	})
}

// readValue reads one line.
func readValue(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return "", fmt.Errorf("--value -: %w", err)
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" {
		return "", errors.New("--value -: the standard input is empty")
	}
	return value, nil
}

func listKeys(s *session) error {
	a, err := fetch[web.Account](s, onAccount(s.args[0]))
	if err != nil {
		return err
	}
	return s.show(a.Keys, func() { table(s.out, keyColumns, keyRows(a.Keys)...) })
}

func revokeKey(s *session, c command) error {
	return change(s, c, "DELETE", onAccount(s.args[0], "keys", s.args[1]), nil, func(k account.KeyAnswer) {
		s.say("Key %s of account %s is revoked.", k.Key, k.Account)
	})
}
