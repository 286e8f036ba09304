// Command tallygate is Caddy with metering: its standard modules and ours.
//
//	tallygate run --config Caddyfile
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/tallygate/tallygate/caddymodule"
	_ "github.com/tallygate/tallygate/caddymodule/cli"
	_ "github.com/tallygate/tallygate/caddymodule/tune"
)

func main() { caddycmd.Main() }
