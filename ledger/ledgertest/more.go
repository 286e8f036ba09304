package ledgertest

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"slices"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

func (m *more) apply(s ledger.Step) {
	for _, v := range s.Events {
		if m.events[v.Account] == nil {
			m.events[v.Account] = map[uint32]account.Event{}
		}
		m.events[v.Account][v.Number] = v
	}
	for _, r := range s.Statements {
		if m.statements[r.Account] == nil {
			m.statements[r.Account] = map[uint32]account.StatementRecord{}
		}
		m.statements[r.Account][r.Month] = r
	}
	maps.Copy(m.trials, s.Trials)
	maps.Copy(m.products, s.Products)
	maps.Copy(m.pictures, s.Pictures)
}

func (m *more) compare(s ledger.Store) error {
	for number, events := range m.events {
		if err := sameSeq("events", sorted(events), s.Events(number, 0)); err != nil {
			return err
		}
	}
	for number, statements := range m.statements {
		if err := sameSeq("statements", sorted(statements), s.Statements(number, 0)); err != nil {
			return err
		}
	}
	for customer, want := range m.trials {
		got, err := s.Trial(customer)
		if err := same("trial of "+customer, want, got, err); err != nil {
			return err
		}
	}
	for k, want := range m.products {
		got, err := s.Product(k)
		if err := same("product", want, got, err); err != nil {
			return err
		}
	}
	return m.comparePictures(s)
}

// comparePictures looks at those of each product's present generation.
func (m *more) comparePictures(s ledger.Store) error {
	instances := map[[2]uint32]bool{}
	for k := range m.products {
		instances[[2]uint32{k.Account, k.Instance}] = true
	}
	for i := range instances {
		if err := sameSeq("pictures", m.visible(i[0], i[1]), s.Pictures(i[0], i[1])); err != nil {
			return err
		}
	}
	for k, want := range m.pictures {
		if m.products[k.ProductKey].Generation != k.Generation {
			continue
		}
		got, err := s.HasPicture(k)
		if err := same("picture", want, got, err); err != nil {
			return err
		}
	}
	return nil
}

// visible are the pictures of an instance, in order of product and picture.
func (m *more) visible(number, instance uint32) (images []account.Image) {
	for k, there := range m.pictures {
		if there && k.Account == number && k.Instance == instance && m.products[k.ProductKey].Generation == k.Generation {
			images = append(images, account.Image{Account: k.Account, Instance: k.Instance, Product: k.Product, Picture: k.Picture})
		}
	}
	slices.SortFunc(images, func(a, b account.Image) int {
		return bytes.Compare(slices.Concat(a.Product[:], a.Picture[:]), slices.Concat(b.Product[:], b.Picture[:]))
	})
	return images
}

// emptyMore looks for what a new ledger does not have.
func emptyMore(b *bench) {
	b.must(sameSeq("events", nil, b.store.Events(1, 0)))
	b.must(sameSeq("statements", nil, b.store.Statements(1, 0)))
	b.must(sameSeq("pictures", nil, b.store.Pictures(1, 1)))
	if _, err := b.store.Trial("nobody"); !errors.Is(err, ledger.ErrNotFound) {
		b.Errorf("trial: %v is not ErrNotFound", err)
	}
	p, err := b.store.Product(productOf(1, 1, 1))
	b.must(same("product", ledger.Product{}, p, err))
	has, err := b.store.HasPicture(ledger.PictureKey{ProductKey: productOf(1, 1, 1)})
	b.must(same("picture", false, has, err))
}

func eventsInOrder(b *bench) {
	numbers := []uint32{1, 2, 255, 256, 65_536, math.MaxUint32}
	var want []account.Event
	for i, n := range numbers {
		for number := uint32(255); number <= 257; number++ {
			v := account.Event{Account: number, Number: numbers[len(numbers)-1-i], Kind: account.EventArrears}
			b.commit(ledger.Step{Events: []account.Event{v}})
		}
		want = append(want, account.Event{Account: 256, Number: n, Kind: account.EventArrears})
	}
	for i, n := range numbers {
		b.must(sameSeq("events", want[i:], b.store.Events(256, n)))
	}
	b.must(sameSeq("events", want, b.store.Events(256, 0)))
}

func statementsInOrder(b *bench) {
	months := []uint32{202611, 202612, 202701, 202801}
	var want []account.StatementRecord
	for i, m := range months {
		for number := uint32(255); number <= 257; number++ {
			b.commit(ledger.Step{Statements: []account.StatementRecord{{Account: number, Month: months[len(months)-1-i], Number: 7}}})
		}
		want = append(want, account.StatementRecord{Account: 256, Month: m, Number: 7})
	}
	for i, m := range months {
		b.must(sameSeq("statements", want[i:], b.store.Statements(256, m)))
	}
	b.must(sameSeq("statements", want, b.store.Statements(256, 0)))
}

// deletedProducts: a new generation hides the pictures of the old one, and those
// that are added then are all there is.
func deletedProducts(b *bench) {
	k, other := productOf(1, 1, 1), productOf(1, 1, 2)
	add := func(k ledger.ProductKey, generation uint64, pictures ...uint64) ledger.Step {
		s := ledger.Step{Products: map[ledger.ProductKey]ledger.Product{k: {Generation: generation, Pictures: uint64(len(pictures))}},
			Pictures: map[ledger.PictureKey]bool{}}
		for _, p := range pictures {
			s.Pictures[pictureOf(k, generation, p)] = true
		}
		return s
	}
	m := newModel()
	for _, s := range []ledger.Step{add(k, 0, 1, 2, 3), add(other, 0, 1), add(productOf(1, 2, 1), 0, 9), add(productOf(2, 1, 1), 0, 9),
		add(k, 7), add(k, 7, 2, 4), {Pictures: map[ledger.PictureKey]bool{pictureOf(k, 7, 2): false}}, add(k, 300), add(k, 300, 1)} {
		b.commit(s)
		m.apply(s)
		b.holds(m)
	}
	b.reopen()
	b.holds(m)
}

// picturesWhileProductsGo: an iteration shows the set as it stood when it began,
// although it walks product by product.
func picturesWhileProductsGo(b *bench) {
	m := newModel()
	s := ledger.Step{Products: map[ledger.ProductKey]ledger.Product{}, Pictures: map[ledger.PictureKey]bool{}}
	for product := range uint64(5) {
		k := productOf(1, 1, product)
		s.Products[k] = ledger.Product{Pictures: 3}
		for picture := range uint64(3) {
			s.Pictures[pictureOf(k, 0, picture)] = true
		}
	}
	b.commit(s)
	m.apply(s)
	want, seen := m.visible(1, 1), 0
	for image, err := range b.store.Pictures(1, 1) {
		b.must(same("picture", want[seen], image, err))
		if seen++; seen == 1 {
			for product := range uint64(5) {
				k := productOf(1, 1, product)
				b.commit(ledger.Step{Products: map[ledger.ProductKey]ledger.Product{k: {Generation: 9, Pictures: 1}},
					Pictures: map[ledger.PictureKey]bool{pictureOf(k, 9, 77): true, pictureOf(k, 0, 2): false}})
			}
		}
	}
	b.must(same("number of pictures", len(want), seen, nil))
	left, err := collect(b.store.Pictures(1, 1))
	b.must(same("number of pictures then", 5, len(left), err))
}
