package web

import (
	"context"
	"net/http"
	"time"
)

// Check is one thing that is looked at. Err says why it is not well, nil where it
// is.
type Check struct {
	Name    string
	Err     error
	Warning bool // calls go on without it
}

// Done is what was done last in this run of the process.
type Done struct {
	At    time.Time `json:"at" doc:"By the machine's clock"`
	From  time.Time `json:"from" doc:"Start of the period"`
	Until time.Time `json:"until" doc:"Its end"`
}

// Checks are the answer to whether the gateway can serve.
type Checks struct {
	Status string        `json:"status" enum:"ok,warning,failed"`
	Checks []CheckResult `json:"checks"`
}

// CheckResult is a Check in words.
type CheckResult struct {
	Name   string `json:"name" example:"sync"`
	Status string `json:"status" enum:"ok,warning,failed"`
	Detail string `json:"detail,omitempty"`
}

// The words of Checks and CheckResult.
const (
	CheckOK      = "ok"
	CheckWarning = "warning"
	CheckFailed  = "failed"
)

// ChecksOf puts checks into words: the whole is as bad as the worst of them.
func ChecksOf(list []Check) Checks {
	all := Checks{Status: CheckOK, Checks: []CheckResult{}}
	for _, c := range list {
		r := CheckResult{Name: c.Name, Status: CheckOK}
		if c.Err != nil {
			r.Status, r.Detail = CheckFailed, c.Err.Error()
		}
		if c.Err != nil && c.Warning {
			r.Status = CheckWarning
		}
		if r.Status == CheckFailed || all.Status == CheckOK {
			all.Status = r.Status
		}
		all.Checks = append(all.Checks, r)
	}
	return all
}

// checked is an answer whose status code says whether to send calls here.
type checked struct {
	Status int
	Cache  string `header:"Cache-Control"`
	Body   Checks
}

func (h *handlers) registerHealth() {
	health := get("get-health", "/health", "Check whether the gateway can do its work")
	health.Description = "503 where a check failed: calls are refused, or counted no longer safely. Warnings, such as a disk below its reserve, " +
		"stop money commands or settlement but no calls."
	register(h, health, func(context.Context, *struct{}) (*checked, error) { return answerChecks(h.gateway.Health()), nil })
	ready := get("get-ready", "/ready", "Check whether calls can be sent here")
	ready.Description = "What /health checks without its warnings: cheap enough to ask every second."
	register(h, ready, func(context.Context, *struct{}) (*checked, error) { return answerChecks(h.gateway.Ready()), nil })
}

func answerChecks(list []Check) *checked {
	out := &checked{Status: http.StatusOK, Cache: "no-store", Body: ChecksOf(list)}
	if out.Body.Status == CheckFailed {
		out.Status = http.StatusServiceUnavailable
	}
	return out
}
