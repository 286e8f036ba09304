package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseInstance reads how requests name the search index they are for:
//
//	instance search/* form InstanceName {
//		prefix 64KiB
//	}
//
// The block, and the size in it, may be left out.
func (h *Handler) parseInstance(d *caddyfile.Dispenser) error {
	const usage = "instance <operations> header <name> | query <name> | form <name> | json <name>"
	args, err := arguments(d, usage, 3, 3)
	if err != nil {
		return err
	}
	if !slices.Contains(fieldPlaces, args[1]) {
		return d.Errf("instance in %q: write %s", args[1], usage)
	}
	h.use(d, "instance", args[0])
	in := Instance{Operations: args[0], Field: Field{args[1], args[2]}}
	if err := block(d, "instance", settings{"prefix": size(&in.Prefix, "64KiB")}); err != nil {
		return err
	}
	if in.Prefix > 0 && !in.inBody() {
		return d.Errf("prefix is of a body, and the instance stands in the %s: leave it out", in.From)
	}
	h.Instances = append(h.Instances, in)
	return nil
}

// parseImages reads how requests name the images that they add or delete:
//
//	images search/* {
//		product form ProductId
//		picture form PicName
//		buffer  8MiB
//		wait    5s
//	}
func (h *Handler) parseImages(d *caddyfile.Dispenser) error {
	operations, err := one(d, "images <operations> { }")
	if err != nil {
		return err
	}
	h.use(d, "images", operations)
	i := Images{Operations: operations}
	err = block(d, "images", settings{
		"product": parseField(&i.Product, "ProductId"),
		"picture": parseField(&i.Picture, "PicName"),
		"buffer":  size(&i.Buffer, "8MiB"),
		"wait":    duration(&i.Wait, "wait <duration>, as in: wait 5s"),
	})
	if err != nil {
		return err
	}
	h.Images = append(h.Images, i)
	return nil
}

func parseField(into *Field, example string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		what := d.Val()
		usage := what + " header | query | form | json <name>, as in: " + what + " form " + example
		args, err := arguments(d, usage, 2, 2)
		if err != nil {
			return err
		}
		if !slices.Contains(fieldPlaces, args[0]) {
			return d.Errf("%s in %q: write %s", what, args[0], usage)
		}
		if into.From != "" {
			return d.Errf("%s is there twice: remove one", what)
		}
		*into = Field{args[0], args[1]}
		return nil
	}
}
