package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web"
)

func packageCommand(noun *cobra.Command) {
	noun.Example = "  tallygate package list\n  tallygate package buy acme image-tagging-10k-1y"
	buyPackage(noun)
	renewPackage(noun)
	autoRenewPackage(noun)
	offered := verb(noun, "list [<account>]", "List the packages on sale, or those of an account",
		"  tallygate package list\n  tallygate package list acme", cobra.MaximumNArgs(1))
	action(offered, listPackages)
}

func buyPackage(noun *cobra.Command) {
	cmd := verb(noun, "buy <account> <package>", "Buy prepaid calls from the balance",
		"  tallygate package buy acme image-tagging-10k-1y\n"+
			"  tallygate package buy acme image-tagging-10k-1y --preview\n"+
			"  tallygate package buy acme image-tagging-10k-1y --auto-renew --max-amount 24.00", named("account", "package"))
	autoRenew := cmd.Flags().Bool("auto-renew", false, "renew it at the price of then, from 24 hours before it expires")
	purchase(cmd, func(s *session, most web.Agreed) (ask, error) {
		return ask{onAccount(s.args[0], "packages"), web.NewPackage{Package: s.args[1], AutoRenew: *autoRenew, Agreed: most}}, nil
	}, boughtPackage)
}

func boughtPackage(s *session, p account.PackageAnswer) {
	s.say("Package %d: %d calls of %s until %s.", p.Package, p.Calls, p.Operation, instant(p.End))
	s.paid(p.BalanceAnswer)
}

func renewPackage(noun *cobra.Command) {
	cmd := verb(noun, "renew <account> <number>", "Append a term to a package",
		"  tallygate package renew acme 3\n  tallygate package renew acme 3 --preview", named("account", "number"))
	cmd.Long = "Appends a term of the same length, at the price of now, to the package's last one. It begins where that ends,\n" +
		"also where that has passed. The number is that of any of its terms: see tallygate package list <account>."
	purchase(cmd, func(s *session, most web.Agreed) (ask, error) {
		return ask{onAccount(s.args[0], "packages", s.args[1], "renewals"), web.PackageRenewal{Agreed: most}}, nil
	}, boughtPackage)
}

func autoRenewPackage(noun *cobra.Command) {
	cmd := verb(noun, "auto-renew <account> <number> on|off", "Let a package renew itself, or not",
		"  tallygate package auto-renew acme 3 on\n  tallygate package auto-renew acme 3 off", named("account", "number", "on|off"))
	cmd.Long = "Lets a package renew itself for the same time at the price of then, tried every hour of the last 24 before it\n" +
		"expires. Where the balance does not cover it, it expires, and a notice says why."
	commandAction(cmd, func(s *session, c command) error {
		var body web.AutoRenewal
		switch s.args[2] {
		case "on", "off":
			body.On = s.args[2] == "on"
		default:
			return fmt.Errorf("%q: write on or off", s.args[2])
		}
		return change(s, c, "PUT", onAccount(s.args[0], "packages", s.args[1], "auto-renewal"), body, func(a account.AutoRenewalAnswer) {
			s.say("Auto-renewal of package %d of account %s is %s.", a.Package, a.Account, onOff(a.AutoRenew))
		})
	})
}

func listPackages(s *session) error {
	if len(s.args) == 1 {
		a, err := fetch[web.Account](s, onAccount(s.args[0]))
		if err != nil {
			return err
		}
		return s.show(a.Packages, func() { table(s.out, boughtPackages, packageRows(a.Packages)...) })
	}
	b, err := fetch[web.PriceBook](s, "/pricebook")
	if err != nil {
		return err
	}
	return s.show(b.Packages, func() { table(s.out, offeredPackages, offerRows(b)...) })
}
