package caddymodule

import "github.com/tallygate/tallygate/meter"

// gateway is what handlers share across reloads; opened in App.Start.
type gateway interface {
	Meter() *meter.Meter
	OperationNumber(name string) (uint16, bool) // false: the price book does not price it
	RefusalID(v meter.Verdict, operation uint16) string
}

// host is what a handler needs of the app.
type host interface {
	// inForce waits, if need be, until it is certain whether the configuration
	// was accepted. One that was not must judge no call.
	inForce() bool

	// gateway returns nil while no ledger is open.
	gateway() gateway

	// checkOperations reports operations that the price book does not price.
	checkOperations(names []string) error
}

// binding is what a handler looked up in a gateway, so as to look it up once.
type binding struct {
	gateway gateway
	meter   *meter.Meter
	numbers []uint16 // by index of the plan's operations; 0 = not priced yet
}

// bind returns the binding to the gateway that is open now, nil if none is.
func (h *Handler) bind() *binding {
	gw := h.host.gateway()
	if gw == nil {
		return nil
	}
	b := h.bound.Load()
	if b != nil && b.gateway == gw {
		return b
	}
	b = &binding{gateway: gw, meter: gw.Meter(), numbers: make([]uint16, len(h.plan.operations))}
	for i, op := range h.plan.operations {
		b.numbers[i], _ = gw.OperationNumber(op.name)
	}
	h.bound.Store(b)
	return b
}

// number returns the ledger's number of an operation, 0 for none.
func (b *binding) number(op *operation) uint16 {
	if op.index < 0 {
		return 0
	}
	if n := b.numbers[op.index]; n != 0 {
		return n
	}
	n, _ := b.gateway.OperationNumber(op.name)
	return n
}
