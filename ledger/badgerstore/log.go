package badgerstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// badgerLog passes Badger's messages on. All are at debug level, since what
// matters of them comes back as an error too; "level" is what Badger said.
type badgerLog struct{ to *slog.Logger }

func (l badgerLog) log(level, format string, args []any) {
	if l.to.Enabled(context.Background(), slog.LevelDebug) {
		l.to.Debug("badger: "+strings.TrimSpace(fmt.Sprintf(format, args...)), "badger_level", level)
	}
}

func (l badgerLog) Errorf(format string, args ...any)   { l.log("error", format, args) }
func (l badgerLog) Warningf(format string, args ...any) { l.log("warning", format, args) }
func (l badgerLog) Infof(format string, args ...any)    { l.log("info", format, args) }
func (l badgerLog) Debugf(format string, args ...any)   { l.log("debug", format, args) }
