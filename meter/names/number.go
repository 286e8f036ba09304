package names

// numberState is how much of a JSON number was read.
type numberState uint8

const (
	notANumber numberState = iota
	minus                  // -
	zero                   // 0
	whole                  // 12
	point                  // 12.
	fraction               // 12.3
	exponent               // 12e
	signed                 // 12e+
	power                  // 12e+3
)

func beginNumber(c byte) numberState {
	switch {
	case c == '-':
		return minus
	case c == '0':
		return zero
	case c >= '1' && c <= '9':
		return whole
	}
	return notANumber
}

// complete reports whether the number may end here.
func (s numberState) complete() bool { return s == zero || s == whole || s == fraction || s == power }

// next is the state after one byte more; notANumber where it is not part of the
// number.
func (s numberState) next(c byte) numberState {
	if c >= '0' && c <= '9' {
		return s.digit(c)
	}
	switch {
	case c == '.' && (s == zero || s == whole):
		return point
	case (c == 'e' || c == 'E') && (s == zero || s == whole || s == fraction):
		return exponent
	case (c == '+' || c == '-') && s == exponent:
		return signed
	}
	return notANumber
}

func (s numberState) digit(c byte) numberState {
	switch s {
	case minus:
		return beginNumber(c)
	case whole:
		return whole
	case point, fraction:
		return fraction
	case exponent, signed, power:
		return power
	}
	return notANumber
}
