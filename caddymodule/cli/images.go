package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func imagesCommand(noun *cobra.Command) {
	noun.Example = "  tallygate images show acme products\n  tallygate images reconcile acme products upstream.csv --reason \"monthly check\""
	show := verb(noun, "show <account> <instance>", "Show how many images an instance holds", "  tallygate images show acme products", named("account", "instance"))
	action(show, func(s *session) error {
		i, err := fetch[web.Images](s, onAccount(s.args[0], "instances", s.args[1], "images"))
		if err != nil {
			return err
		}
		return s.show(i, func() {
			facts(s.out, "Account", i.Account, "Instance", i.Instance, "Images", number(i.Images), "Uncertain", number(i.Uncertain), "Max images", number(i.MaxImages))
			if i.Uncertain > 0 {
				s.gap()
				s.say("Whether the upstream has the uncertain ones nobody knows; they occupy room until they are reconciled.")
			}
		})
	})
	reconcileImages(noun)
}

func reconcileImages(noun *cobra.Command) {
	cmd := verb(noun, "reconcile <account> <instance> <file>", "Hold the images of an instance against the upstream's list",
		"  tallygate images reconcile acme products upstream.csv --reason \"monthly check\"\n"+
			"  list-images | tallygate images reconcile acme products - --format ndjson --reason \"after the outage\"", named("account", "instance", "file"))
	cmd.Long = "Makes the set of images what the upstream lists: what is missing is added, what the upstream lacks is removed,\n" +
		"and what was uncertain is settled. Let adds and deletes rest from the time at which the list is taken.\n\n" +
		"The file has product,picture in each line, or, named .ndjson or .jsonl, {\"product\":\"…\",\"picture\":\"…\"}.\n" +
		"It may be of any size; - is the standard input."
	reason := cmd.Flags().String("reason", "", "why, for the account's events (required)")
	format := cmd.Flags().String("format", "", "csv or ndjson (default: by the file's name, else csv)")
	header := cmd.Flags().Bool("header", false, "the first line of a csv file is a header; =false: it is an image")
	empty := cmd.Flags().Bool("empty", false, "the upstream really holds no image: an empty list removes all")
	action(cmd, func(s *session) error {
		kind, err := listType(cmp.Or(*format, formatOf(s.args[2])), cmd.Flags().Changed("header"), *header)
		if err != nil {
			return err
		}
		in, err := input(cmd, s.args[2])
		if err != nil {
			return err
		}
		defer in.Close()
		path := onAccount(s.args[0], "instances", s.args[1], "images", "reconcile") + "?reason=" + url.QueryEscape(*reason)
		if *empty {
			path += "&empty=true"
		}
		a, err := s.send(cmd.Context(), request{method: "POST", path: path, stream: in, streamType: kind})
		if err != nil {
			return err
		}
		return answer(s, a, func(r account.ReconcileAnswer) {
			s.say("Instance %s holds %s: %d added, %d removed, %d uncertain settled.", r.Instance, many(r.Images, "image"), r.Added, r.Removed, r.Uncertain)
		})
	})
}

func formatOf(file string) string {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".ndjson", ".jsonl":
		return "ndjson"
	}
	return "csv"
}

// listType is the media type of a list.
func listType(format string, said, header bool) (string, error) {
	switch {
	case format == "ndjson" && said:
		return "", fmt.Errorf("--header: only csv files have one")
	case format == "ndjson":
		return "application/x-ndjson", nil
	case format != "csv":
		return "", fmt.Errorf("--format %q: write csv or ndjson", format)
	case !said:
		return "text/csv", nil
	case header:
		return "text/csv; header=present", nil
	}
	return "text/csv; header=absent", nil
}

// input opens a file, or the standard input for "-".
func input(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(name)
}
