package caddymodule

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/caddymodule/service"
	"github.com/tallygate/tallygate/web"
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
	checkDesc = prometheus.NewDesc("tallygate_check_ok",
		"1 where a check of /tallygate/health finds nothing wrong, else 0.", []string{"check"}, nil)

	// Amounts are whole minor units: a float64 has them exactly below 2^53.
	unsettledDesc = prometheus.NewDesc("tallygate_exposure_unsettled_minor_units",
		"What calls that are counted and not debited will cost, in minor units of the currency.", []string{"currency"}, nil)
	debtsDesc = prometheus.NewDesc("tallygate_exposure_debts_minor_units",
		"Sum of the balances below zero, in minor units of the currency.", []string{"currency"}, nil)
)

// figure is a gauge of one figure of the status.
type figure struct {
	desc *prometheus.Desc
	of   func(*service.Service, web.Status) float64
}

func newFigure(name, help string, of func(*service.Service, web.Status) float64) figure {
	return figure{prometheus.NewDesc("tallygate_"+name, help, nil, nil), of}
}

var figures = []figure{
	newFigure("settled_until_seconds", "Unix time up to which usage is sealed, rated and debited.",
		func(_ *service.Service, st web.Status) float64 { return float64(st.SettledUntil.Unix()) }),
	newFigure("settlement_lag_seconds", "Event time since the end of the oldest period that waits for its settlement; 0 where none does.",
		func(_ *service.Service, st web.Status) float64 { return st.SettlementLag.Seconds() }),
	newFigure("last_seal_timestamp_seconds", "Unix time of the newest seal in this run of the process; 0 = none yet.",
		func(_ *service.Service, st web.Status) float64 { return unixOf(st.LastSeal.At) }),
	newFigure("last_settlement_timestamp_seconds", "Unix time of the newest settlement in this run of the process; 0 = none yet.",
		func(_ *service.Service, st web.Status) float64 { return unixOf(st.LastSettlement.At) }),
	newFigure("sync_age_seconds", "How long ago counts last reached the disk.",
		func(_ *service.Service, st web.Status) float64 { return st.SyncAge.Seconds() }),
	newFigure("sync_limit_seconds", "The sync age from which syncing counts as failed.",
		func(_ *service.Service, st web.Status) float64 { return st.SyncLimit.Seconds() }),
	newFigure("disk_free_bytes", "Free bytes of the ledger's file system.",
		func(_ *service.Service, st web.Status) float64 { return float64(st.DiskFree) }),
	newFigure("disk_reserve_bytes", "Bytes that must be free for money commands.",
		func(_ *service.Service, st web.Status) float64 { return float64(st.DiskReserve) }),
	newFigure("journal_head", "Sequence of the newest input in the journal.",
		func(_ *service.Service, st web.Status) float64 { return float64(st.JournalHead) }),
	newFigure("journal_folded", "Sequence of the newest input that is in the ledger.",
		func(_ *service.Service, st web.Status) float64 { return float64(st.Folded) }),
	newFigure("anchor_seq", "Sequence of the journal's head in the anchor outside the ledger's folder; that of the journal where none is configured.",
		func(_ *service.Service, st web.Status) float64 {
			if st.Anchor == nil {
				return float64(st.JournalHead)
			}
			return float64(st.Anchor.Seq)
		}),
	newFigure("releases_unacknowledged", "Released accounts and instances whose data nobody has said to be deleted.",
		func(s *service.Service, _ web.Status) float64 { return float64(s.Unacknowledged()) }),
	newFigure("accounts", "Accounts in the ledger.",
		func(_ *service.Service, st web.Status) float64 { return float64(st.Accounts) }),
}

func unixOf(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{callsDesc, unmeteredDesc, presumedDesc, checkDesc, unsettledDesc, debtsDesc} {
		ch <- d
	}
	for _, f := range figures {
		ch <- f.desc
	}
}

func (collector) Collect(ch chan<- prometheus.Metric) {
	s := running.Load()
	if s == nil {
		return
	}
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	s.Meter().Totals(func(operation uint16, kind account.Kind, calls uint64) {
		send(callsDesc, prometheus.CounterValue, float64(calls), s.Engine().OperationName(operation), kind.String())
	})
	st := s.Status()
	for number, name := range s.Engine().Meta().Operations { // those at zero as well: an alert is to see the first call
		send(unmeteredDesc, prometheus.CounterValue, float64(s.Meter().UnmeteredOf(uint16(number))), name)
	}
	send(presumedDesc, prometheus.CounterValue, float64(presumed.Load()))
	for _, f := range figures {
		send(f.desc, prometheus.GaugeValue, f.of(s, st))
	}
	x, _, err := s.Exposure()
	if err == nil {
		send(unsettledDesc, prometheus.GaugeValue, float64(x.Unsettled), st.Currency)
		send(debtsDesc, prometheus.GaugeValue, float64(x.Debts), st.Currency)
	}
	for _, c := range append(s.Health(), web.Check{Name: "exposure", Err: err}) {
		ok := 1.0
		if c.Err != nil {
			ok = 0
		}
		send(checkDesc, prometheus.GaugeValue, ok, c.Name)
	}
}
