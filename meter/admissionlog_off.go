//go:build !tallygate_admissionlog

package meter

import "github.com/tallygate/tallygate/account"

// admissionLog is on in builds for tests of the rate windows only.
const admissionLog = false

func logAdmission(account.Line, Verdict) {}
