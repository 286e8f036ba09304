package upstream

import (
	"image"
	"math/bits"
)

// fingerprint is what search compares: a 64-bit difference hash of the luma,
// and the mean colour to rank pictures whose hashes are equally near.
type fingerprint struct {
	hash uint64
	mean rgb
}

// fingerprintOf hashes the part of img inside box: nine by eight means of
// luma, one bit for each neighbour that is brighter than the one before it.
func fingerprintOf(img image.Image, box image.Rectangle) fingerprint {
	const columns, rows = 9, 8
	g := sample(img, box)
	var f fingerprint
	for y := range rows {
		before := 0.0
		for x := range columns {
			mean := g.mean(x*g.width/columns, y*g.height/rows, (x+1)*g.width/columns, (y+1)*g.height/rows)
			if x > 0 {
				f.hash <<= 1
				// A step below one level is noise of the encoder, not structure.
				if mean.luma() > before+1 {
					f.hash |= 1
				}
			}
			before = mean.luma()
		}
	}
	f.mean = g.mean(0, 0, g.width, g.height)
	return f
}

// mean is the mean colour of the samples from (x0, y0) up to (x1, y1).
func (g grid) mean(x0, y0, x1, y1 int) rgb {
	x1, y1 = max(x1, x0+1), max(y1, y0+1)
	var sum rgb
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			c := g.cell(x, y)
			sum = rgb{sum.r + c.r, sum.g + c.g, sum.b + c.b}
		}
	}
	n := float64((x1 - x0) * (y1 - y0))
	return rgb{sum.r / n, sum.g / n, sum.b / n}
}

// distance is the number of differing bits, 0–64, plus a part below one for
// the distance of the mean colours.
func (f fingerprint) distance(o fingerprint) float64 {
	return float64(bits.OnesCount64(f.hash^o.hash)) + f.mean.distance(o.mean)/442
}
