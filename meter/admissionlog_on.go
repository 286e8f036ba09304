//go:build tallygate_admissionlog

package meter

import (
	"fmt"
	"os"
	"sync"

	"github.com/tallygate/tallygate/account"
)

const admissionLog = true

var openAdmissionLog = sync.OnceValue(func() *os.File {
	f, err := os.OpenFile(os.Getenv("TALLYGATE_ADMISSION_LOG"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic("this build logs admissions: set TALLYGATE_ADMISSION_LOG to a file: " + err.Error())
	}
	return f
})

// logAdmission writes one line per admitted call: the window's clock in
// nanoseconds, account, operation, class and limit.
func logAdmission(line account.Line, v Verdict) {
	fmt.Fprintf(openAdmissionLog(), "%d %d %d %d %d\n", v.At.Mono, line.Account, line.Operation, v.Class, v.Limit)
}
