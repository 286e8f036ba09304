package meter

// store has what the accounts of a meter refer to by number. What most accounts
// have holds no pointers, so that the garbage collector need not visit millions.
// Whoever follows a number has the lock of the account that it belongs to.
type store struct {
	instances pool[instance]
	charges   pool[charges]
	rates     pool[rate]
	counters  pool[moreCounters]
	rings     rings

	accountMore  pool[accountMore] // of few
	instanceMore pool[instanceMore]

	plans   register[plan]
	tariffs register[tariff]
	names   texts
}
