package web

import (
	"context"
	"time"

	"github.com/tallygate/tallygate/account"
)

func (h *handlers) registerEvents() {
	events := get("list-events", "/accounts/{account}/events", "List what happened to an account")
	events.Description = "States, expiries, renewals, releases and notices, in the order of their numbers, which have no gaps (D20, D24)."
	register(h, events, h.listEvents)
	register(h, get("list-releases", "/releases", "List the releases that nobody has acknowledged"), h.listReleases)
	ack := post("acknowledge-release", "/accounts/{account}/releases/acknowledge", "Say that the data of what was released is deleted")
	ack.DefaultStatus = 200
	ack.Description = "The released event is repeated until then (D23)."
	register(h, ack, h.acknowledgeRelease)
}

// EventList is a page of events.
type EventList struct {
	Account string  `json:"account"`
	Events  []Event `json:"events"`
	Next    uint32  `json:"next,omitempty" doc:"Where there are more: ask again with after set to this"`
}

// Event is something that happened to an account.
type Event struct {
	Number  uint32            `json:"number"`
	At      time.Time         `json:"at"`
	Kind    account.EventKind `json:"kind" example:"notice-low-balance"`
	Subject string            `json:"subject,omitempty" example:"package:3" doc:"Absent where it is the account"`
	Text    string            `json:"text,omitempty"`
}

func (h *handlers) listEvents(_ context.Context, in *struct {
	OnAccount
	After uint32 `query:"after" doc:"The number of the last event of the page before"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}) (*body[EventList], error) {
	all, err := h.gateway.Engine().Events(in.Account, in.After+1)
	if err != nil {
		return nil, err
	}
	list := EventList{Account: in.Account, Events: []Event{}}
	for i, e := range all {
		if i == in.Limit {
			list.Next = list.Events[i-1].Number
			break
		}
		list.Events = append(list.Events, Event{e.Number, h.at(e.At), e.Kind, e.Subject, e.Text})
	}
	return &body[EventList]{list}, nil
}

// ReleaseList is what the operator's systems have to delete.
type ReleaseList struct {
	Releases []Release `json:"releases"`
}

// Release tells to delete a customer's data (D23), or that of one instance (D32).
type Release struct {
	Account   string    `json:"account"`
	Customer  string    `json:"customer"`
	Instance  string    `json:"instance,omitempty" doc:"Absent where the whole account is released"`
	Instances []string  `json:"instances,omitempty" doc:"Those of an account that is released"`
	Released  time.Time `json:"released"`
}

func (h *handlers) listReleases(context.Context, *struct{}) (*body[ReleaseList], error) {
	list := ReleaseList{Releases: []Release{}}
	err := h.gateway.Engine().EachAccount(func(a *account.Account) bool {
		list.Releases = append(list.Releases, h.releasesOf(a)...)
		return true
	})
	return &body[ReleaseList]{list}, err
}

// releasesOf are those of an account; its own stands for those of its instances.
func (h *handlers) releasesOf(a *account.Account) (list []Release) {
	all := Release{Account: a.ID, Customer: a.Customer, Released: h.at(a.Released)}
	for _, i := range a.Instances {
		if i.Released == 0 || i.Ack {
			continue
		}
		all.Instances = append(all.Instances, i.Name)
		list = append(list, Release{Account: a.ID, Customer: a.Customer, Instance: i.Name, Released: h.at(i.Released)})
	}
	switch {
	case a.Released == 0:
		return list
	case a.ReleaseAck:
		return nil
	}
	return []Release{all}
}

// ReleaseAcknowledgement says what is deleted.
type ReleaseAcknowledgement struct {
	Instance string `json:"instance,omitempty" example:"products" doc:"Absent: all of a released account"`
}

func (h *handlers) acknowledgeRelease(_ context.Context, in *struct {
	OnAccount
	MustRepeat
	Body ReleaseAcknowledgement
}) (*answered[account.AccountAnswer], error) {
	return do[account.AccountAnswer](h, in.Key, in.Account, &account.AcknowledgeRelease{Instance: in.Body.Instance})
}
