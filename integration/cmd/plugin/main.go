// Plugin is a Caddy as its users build one: the standard modules and, by a blank
// import, this one. It shows that caddymodule needs nothing of cmd/tallygate.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/tallygate/tallygate/caddymodule"
)

func main() { caddycmd.Main() }
