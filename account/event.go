package account

import "fmt"

// Event is something that happened to an account, immutable and numbered
// without gaps (D20, D23, D24). Notices are events, too.
type Event struct {
	Account uint32
	Number  uint32 // within the account, from 1
	At      int64  // when it was due, Unix seconds
	Kind    EventKind
	Subject string // "package:3", "instance:products", "statement:7"; "" = the account
	Text    string // what else there is to say
}

// EventKind says what happened. The words are stored: append, never rename.
type EventKind string

// States and ends.
const (
	EventArrears          EventKind = "arrears"   // the account's grace begins (D20)
	EventRetention        EventKind = "retention" // the account's retention begins
	EventReleased         EventKind = "released"  // delete the customer's data (D23)
	EventActive           EventKind = "active"    // out of arrears (D22)
	EventPackageExpired   EventKind = "package-expired"
	EventPackageStarted   EventKind = "package-term-started"
	EventPackageLapsed    EventKind = "package-lapsed" // it can be renewed no more (D17)
	EventAutoRenewed      EventKind = "package-auto-renewed"
	EventTermStarted      EventKind = "subscription-term-started"
	EventTermExpired      EventKind = "subscription-expired" // D32
	EventInstanceReleased EventKind = "instance-released"    // delete the instance's data (D32)
	EventImagesReconciled EventKind = "images-reconciled"    // D28
)

// Notices (D24).
const (
	NoticeLowBalance     EventKind = "notice-low-balance"
	NoticeRelease        EventKind = "notice-release"      // the account's, in so many days
	NoticePackageUsed    EventKind = "notice-package-used" // 80, 90 or 100 %
	NoticeExpiry         EventKind = "notice-expiry"       // of a package or subscription, in so many days
	NoticeRenewalFailed  EventKind = "notice-renewal-failed"
	NoticeInstanceRemove EventKind = "notice-instance-release" // an instance's, in so many days
	NoticeStatement      EventKind = "notice-statement"        // issued
)

// Release reports whether the operator's systems must delete data and
// acknowledge that they did (D23).
func (k EventKind) Release() bool { return k == EventReleased || k == EventInstanceReleased }

// Subjects of events and references of movements.
func packageRef(number uint32) string      { return fmt.Sprintf("package:%d", number) }
func subscriptionRef(number uint32) string { return fmt.Sprintf("subscription:%d", number) }
func instanceRef(name string) string       { return "instance:" + name }

// event numbers a new event.
func (a *Account) event(at int64, kind EventKind, subject, text string) Event {
	a.Events++
	return Event{Account: a.Number, Number: a.Events, At: at, Kind: kind, Subject: subject, Text: text}
}
