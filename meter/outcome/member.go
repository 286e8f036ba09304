package outcome

import (
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"
)

// Member is a condition on one member of the JSON object that is the body. A
// member that is null counts as missing.
//
//	{"name": "error_code", "absent": true}              missing
//	{"name": "Code", "absent": true, "is": [0]}         missing, or the number 0
//	{"name": "Success", "not": [false]}                 anything but false
//	{"name": "status", "is": ["done", "queued"]}        there, and one of these
type Member struct {
	Name   string `json:"name"`
	Absent bool   `json:"absent,omitempty"`
	Is     []any  `json:"is,omitempty"`  // strings, numbers, booleans
	Not    []any  `json:"not,omitempty"` // excludes the other two
}

func (m Member) check() error {
	if m.Name == "" {
		return fmt.Errorf("member without a name: name the JSON member to look at")
	}
	if !m.Absent && len(m.Is) == 0 && len(m.Not) == 0 {
		return fmt.Errorf("member %s: say what it has to be: absent, a value, or not a value", m.Name)
	}
	if len(m.Not) > 0 && (m.Absent || len(m.Is) > 0) {
		return fmt.Errorf("member %s: not cannot be combined with absent or values", m.Name)
	}
	for _, list := range [][]any{m.Is, m.Not} {
		for _, v := range list {
			switch v.(type) {
			case bool, float64, string:
			default:
				return fmt.Errorf("member %s: value %v: use a string, a number, true or false", m.Name, v)
			}
		}
	}
	return nil
}

// mayLack reports whether the member may be missing.
func (m *Member) mayLack() bool { return m.Absent || len(m.Not) > 0 }

// accepts judges a member that is there.
func (m *Member) accepts(v gjson.Result) bool {
	if v.Type == gjson.Null {
		return m.mayLack()
	}
	if len(m.Not) > 0 {
		return !contains(m.Not, v)
	}
	return contains(m.Is, v)
}

func contains(list []any, v gjson.Result) bool {
	for _, want := range list {
		switch w := want.(type) {
		case string:
			if v.Type == gjson.String && v.Str == w {
				return true
			}
		case float64:
			if v.Type == gjson.Number && v.Num == w {
				return true
			}
		case bool:
			if v.Type == gjson.True && w || v.Type == gjson.False && !w {
				return true
			}
		}
	}
	return false
}

// ParseValue reads a value as it stands in a Caddyfile: JSON where it is a
// number, true, false or a quoted string, and otherwise the string itself.
func ParseValue(s string) any {
	var v any
	if err := json.Unmarshal([]byte(s), &v); err == nil {
		switch v.(type) {
		case bool, float64, string:
			return v
		}
	}
	return s
}
