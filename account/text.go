package account

import (
	"slices"
	"strconv"
	"time"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// keep is the list without what is not kept.
func keep[T any](list []T, kept func(T) bool) []T {
	return slices.DeleteFunc(list, func(v T) bool { return !kept(v) })
}

// instant shows Unix seconds to people, in the billing zone.
func (e Env) instant(unix int64) string { return e.time(unix).Format(time.RFC3339) }

func (e Env) time(unix int64) time.Time { return time.Unix(unix, 0).In(e.Zone) }
