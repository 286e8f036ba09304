package cli

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// count is a flag or an argument that is a whole number, written as price books
// write them: 10000 or 10_000.
type count uint64

func (c *count) String() string { return strconv.FormatUint(uint64(*c), 10) }
func (c *count) Type() string   { return "number" }

func (c *count) Set(text string) error {
	n, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, 64)
	if err != nil || n > countMax {
		return errors.New("write a whole number, such as 10000 or 10_000")
	}
	*c = count(n)
	return nil
}

// countMax is beyond all that is counted, and fits an int64.
const countMax = 1_000_000_000_000_000

// counted adds a flag for a number.
func counted(cmd *cobra.Command, name string, otherwise count, usage string) *count {
	c := otherwise
	cmd.Flags().Var(&c, name, usage)
	return &c
}
