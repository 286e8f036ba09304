package caddymodule

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tallygate/tallygate/account"
)

// registerMetrics adds the gateway's metrics to a configuration's registry,
// which is a new one at every reload. There is no account label: their number
// has no bound.
func registerMetrics(r *prometheus.Registry) error {
	var already prometheus.AlreadyRegisteredError
	if err := r.Register(collector{}); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

// collector reads the running gateway when it is asked.
type collector struct{}

var (
	callsDesc = prometheus.NewDesc("tallygate_calls_total",
		"Calls by operation and outcome: what paid for them, or why they were not billed.", []string{"operation", "outcome"}, nil)
	unmeteredDesc = prometheus.NewDesc("tallygate_unmetered_total",
		"Calls that ran and could not be counted, by operation. Alert on any.", []string{"operation"}, nil)
	presumedDesc = prometheus.NewDesc("tallygate_presumed_total",
		"Calls counted although the end of their body lay beyond the prefix that the success rule looks at.", nil, nil)
	settledDesc = prometheus.NewDesc("tallygate_settled_until_seconds",
		"Unix time up to which usage is sealed, rated and debited.", nil, nil)
	lagDesc = prometheus.NewDesc("tallygate_settlement_lag_seconds",
		"Event time minus the end of the newest settled period.", nil, nil)
	syncAgeDesc = prometheus.NewDesc("tallygate_sync_age_seconds",
		"How long ago counts last reached the disk.", nil, nil)
	headDesc = prometheus.NewDesc("tallygate_journal_head",
		"Sequence of the newest input in the journal.", nil, nil)
	releasesDesc = prometheus.NewDesc("tallygate_releases_unacknowledged",
		"Released accounts and instances whose data nobody has said to be deleted.", nil, nil)
	accountsDesc = prometheus.NewDesc("tallygate_accounts", "Accounts in the ledger.", nil, nil)
)

func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{callsDesc, unmeteredDesc, presumedDesc, settledDesc, lagDesc, syncAgeDesc, headDesc, releasesDesc, accountsDesc} {
		ch <- d
	}
}

func (collector) Collect(ch chan<- prometheus.Metric) {
	s := running.Load()
	if s == nil {
		return
	}
	s.Meter().Totals(func(operation uint16, kind account.Kind, calls uint64) {
		ch <- prometheus.MustNewConstMetric(callsDesc, prometheus.CounterValue, float64(calls), s.Engine().OperationName(operation), kind.String())
	})
	st := s.Status()
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	s.Meter().UnmeteredBy(func(operation uint16, calls uint64) {
		ch <- prometheus.MustNewConstMetric(unmeteredDesc, prometheus.CounterValue, float64(calls), s.Engine().OperationName(operation))
	})
	ch <- prometheus.MustNewConstMetric(presumedDesc, prometheus.CounterValue, float64(presumed.Load()))
	gauge(settledDesc, float64(st.SettledUntil.Unix()))
	gauge(lagDesc, st.Now.Sub(st.SettledUntil).Seconds())
	gauge(syncAgeDesc, time.Duration(st.SyncAge).Seconds())
	gauge(headDesc, float64(st.JournalHead))
	gauge(releasesDesc, float64(s.Unacknowledged()))
	gauge(accountsDesc, float64(st.Accounts))
}
