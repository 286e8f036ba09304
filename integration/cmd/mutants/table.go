package main

// mutants are ways to break the gateway, and the rows that have to notice.
var mutants = []mutant{
	{"skip the watermark of a block", []edit{{"billing/block.go",
		`b.folded, b.loaded, b.fresh, b.lent, b.termsStand = stored.Folded, true, true, lent, true`,
		`b.loaded, b.fresh, b.lent, b.termsStand = true, true, lent, true`}},
		[]short{{row: 1, places: []string{"fold/committed@1", "fold/committed@2", "fold/committed@3"}}}},

	{"leave the terms of a block that a command changed", []edit{{"billing/effect.go",
		`b.folded, b.dirty, b.termsStand = max(b.folded, rec.Seq), true, false`,
		`b.folded, b.dirty = max(b.folded, rec.Seq), true`}},
		[]short{{row: 1, places: []string{"fold/committed@2", "fold/committed@3", "fold/committed@4"}}}},

	{"add instead of set in a fold", []edit{{"ledger/badgerstore/commit.go",
		`		w.set(movementKey(m.Account, m.Number), ledger.AppendMovement(w.b, m))`,
		`		for _, err := lookup(w.txn, movementKey(m.Account, m.Number)); err == nil; _, err = lookup(w.txn, movementKey(m.Account, m.Number)) {
			m.Number += 1 << 20
		}
		w.set(movementKey(m.Account, m.Number), ledger.AppendMovement(w.b, m))`}},
		[]short{{row: 1, places: []string{"fold/committed@1", "fold/committed@2", "fold/committed@3"}}}},

	{"settle again what is settled", []edit{
		{"caddymodule/service/recover.go",
			`		if settled || s.ahead(f) || empty(f) && !last.keeps(f.Header()) {`,
			`		if empty(f) || s.ahead(f) {`},
		{"billing/settle.go",
			`	if start < settled {`,
			`	if false {`}},
		[]short{{row: 1, places: []string{"settle/settled@1"}}}},

	{"remove the counters before the journal has the period", []edit{{"caddymodule/service/settle.go",
		`		if err := s.engine.SettleShort(e.Start, e.Length, counts, e.Shortfall()); err != nil {`,
		`		short := e.Shortfall()
		if err := s.meter.Drop(e); err != nil {
			return err
		}
		if err := s.engine.SettleShort(e.Start, e.Length, counts, short); err != nil {`}},
		[]short{{row: 1, places: []string{"settle/sealed@1"}}}},

	{"count after the last byte", []edit{{"caddymodule/watch.go",
		`	if !w.settled {
		w.look(p)
	}
	n, err := w.ResponseWriter.Write(p)`,
		`	n, err := w.ResponseWriter.Write(p)
	http.NewResponseController(w.ResponseWriter).Flush()
	if !w.settled {
		w.look(p)
	}`}},
		[]short{{row: 1, places: []string{"call/counting@30", "call/counting@55", "call/counting@80"}}}},

	{"acknowledge before the journal has it", []edit{{"ledger/journal/append.go",
		`	<-p.group.done
	return p.record, p.group.err`,
		`	return p.record, nil`}},
		[]short{{row: 1, places: []string{"journal/write@10", "journal/write@20", "journal/write@30"}}}},

	{"forget idempotency keys over a restart", []edit{{"ledger/badgerstore/commit.go",
		`w.set(answerKey(a.Key), ledger.AppendAnswer(w.b, a))`,
		`_ = a`}},
		[]short{{row: 1, rounds: 2}, {row: 14}}},

	{"forget what adds and deletes had begun", []edit{{"caddymodule/service/recover.go",
		`	for _, c := range changes {`,
		`	for _, c := range changes[:0] {`}},
		[]short{{row: 1, places: []string{"images/changing@5", "images/changing@9", "images/changing@13"}}}},

	{"take the counters of a killed run for empty", []edit{{"caddymodule/service/recover.go",
		`func empty(f *tally.File) bool { return !counted(f) && f.Shortfall().None() }`,
		`func empty(f *tally.File) bool { return true }`}},
		[]short{{row: 2, rounds: 2}}},

	{"do not sync the journal", []edit{{"ledger/journal/disk.go",
		`	err := fdatasync(f)
	if err == nil {
		failpoint.Synced(f)
	}
	failpoint.Hit("journal/synced")`,
		`	var err error
	failpoint.Hit("journal/synced")`}},
		[]short{{row: 3}}},

	{"do not sync the counters", []edit{{"meter/tally/sys_linux.go",
		`	err := retry(func() error { return unix.Fdatasync(int(f.Fd())) })
	if err == nil {
		failpoint.Synced(f)
	}
	failpoint.Hit("tally/synced")`,
		`	var err error
	failpoint.Hit("tally/synced")`}},
		[]short{{row: 3}}},

	{"do not notice that the disk is full", []edit{
		{"ledger/badgerstore/room.go",
			`	if free < need {`,
			`	if false {`},
		{"caddymodule/service/guard.go",
			`	if free < g.need() {`,
			`	if false {`}},
		[]short{{row: 4}}},

	{"acknowledge what the disk refused", []edit{{"ledger/journal/append.go",
		`		return fmt.Errorf("write records %d to %d: %w", g.first, g.last.Seq, err)`,
		`		return nil`}},
		[]short{{row: 5}}},

	{"ignore the checksums of the ledger's tables and values", []edit{
		{"ledger/codec.go",
			`	if s.check(body) != binary.LittleEndian.Uint32(check) {`,
			`	if false && s.check(body) != binary.LittleEndian.Uint32(check) {`},
		{"ledger/badgerstore/preflight.go",
			`		if err := t.verify(later == nil); err != nil {
			return nil, err
		}`,
			`		_ = t`}},
		[]short{{row: 6, places: []string{".sst"}}}},

	{"ignore the journal's checksums and its chain", []edit{
		{"ledger/journal/record.go",
			`	if crc32.Checksum(f.bytes[lengthAt:], castagnoli) != binary.LittleEndian.Uint32(b[crcAt:]) {`,
			`	if false && crc32.Checksum(f.bytes[lengthAt:], castagnoli) != binary.LittleEndian.Uint32(b[crcAt:]) {`},
		{"ledger/journal/read.go",
			`	if r.Seq != c.head.Seq+1 || r.Prev != c.head.Hash {`,
			`	if r.Seq != c.head.Seq+1 {`}},
		[]short{{row: 6, places: []string{".journal"}}}},

	{"ignore a counter's checksum", []edit{{"meter/tally/slot.go",
		`	case im[3] != countWord(n, im.calls()):`,
		`	case false:`}},
		[]short{{row: 6, places: []string{".tally"}}}},

	{"believe an older copy of the ledger", []edit{{"ledger/journal/load.go",
		`	if head.Seq < anchored.Seq {`,
		`	if false {`}},
		[]short{{row: 7}}},

	{"release without the floor", []edit{{"account/state.go",
		`	return max(a.Arrears+a.ArrearsLaw.Grace+a.ArrearsLaw.Retention, floor)`,
		`	return a.Arrears + a.ArrearsLaw.Grace + a.ArrearsLaw.Retention`}},
		[]short{{row: 8}}},

	{"take months in UTC", []edit{{"rating/period.go",
		`	return firstAt(time.Date(m.Year(), m.Month(), 1, 0, 0, 0, 0, time.UTC).Unix(), loc)`,
		`	return time.Date(m.Year(), m.Month(), 1, 0, 0, 0, 0, time.UTC).Unix()`}},
		[]short{{row: 9}}},

	{"put a refused configuration in force", []edit{{"caddymodule/pool.go",
		`	o.wait(next)
	return o, nil`,
		`	o.wait(next)
	return o, o.service.Apply(c.Settings)`}},
		[]short{{row: 10, rounds: 9}}},

	{"let two processes have the ledger", []edit{{"ledger/journal/lock.go",
		`syscall.LOCK_EX|syscall.LOCK_NB`,
		`syscall.LOCK_SH|syscall.LOCK_NB`}},
		[]short{{row: 11, rounds: 1}}},

	{"do not hold a package's calls", []edit{{"meter/admit.go",
		`		a.findPackage(s, line.Ref).Left--`,
		`		a.findPackage(s, line.Ref)`}},
		[]short{{row: 13, rounds: 1}}},

	{"let two equal commands be judged at once", []edit{{"billing/command.go",
		`	defer e.keys.lock(names...)()`,
		`	_ = names`}},
		[]short{{row: 14}}},

	{"accept amounts below zero", []edit{{"account/topup.go",
		`	if amount <= 0 {`,
		`	if false {`}},
		[]short{{row: 15}}},
}
