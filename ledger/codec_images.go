package ledger

import (
	"encoding/binary"
	"fmt"
)

// Bytes names a product, as far as keys and checks need it.
func (k ProductKey) Bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, k.Account)
	b = binary.BigEndian.AppendUint32(b, k.Instance)
	return append(b, k.Product[:]...)
}

// Bytes names a picture.
func (k PictureKey) Bytes() []byte {
	return append(binary.BigEndian.AppendUint64(k.ProductKey.Bytes(), k.Generation), k.Picture[:]...)
}

func subjectOfProduct(k ProductKey) subject { return subjectNamed('x', k.Bytes()) }
func subjectOfPicture(k PictureKey) subject { return subjectNamed('y', k.Bytes()) }

// AppendProduct encodes what there is of a product.
func AppendProduct(dst []byte, k ProductKey, p Product) []byte {
	return subjectOfProduct(k).encode(dst, p.walk)
}

// DecodeProduct decodes the value of a product, or ErrDamaged.
func DecodeProduct(k ProductKey, value []byte) (p Product, err error) {
	if err = subjectOfProduct(k).decode(value, p.walk); err != nil {
		return Product{}, fmt.Errorf("product %x of account %d: %w", k.Product, k.Account, err)
	}
	return p, nil
}

func (p *Product) walk(c *coder) {
	c.uint(&p.Generation)
	c.uint(&p.Pictures)
}

// AppendPicture encodes that a picture is there.
func AppendPicture(dst []byte, k PictureKey) []byte {
	return subjectOfPicture(k).encode(dst, func(*coder) {})
}

// CheckPicture checks the value of a picture: ErrDamaged, or nil.
func CheckPicture(k PictureKey, value []byte) error {
	if err := subjectOfPicture(k).decode(value, func(*coder) {}); err != nil {
		return fmt.Errorf("picture %x of account %d: %w", k.Picture, k.Account, err)
	}
	return nil
}
