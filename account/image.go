package account

// Image names a picture of a search instance in the ledger: product and
// picture by the first 128 bits of their SHA-256 (D28).
type Image struct {
	Account  uint32
	Instance uint32 // Instance.ID
	Product  [16]byte
	Picture  [16]byte
}

// ImageChangeKind says what an ImageChange did. The numbers are journalled:
// append, never renumber.
type ImageChangeKind uint8

const (
	ImageAdded     ImageChangeKind = 1 // a picture was added, or overwritten
	ImageDeleted   ImageChangeKind = 2 // a picture was deleted, if it was there
	ProductDeleted ImageChangeKind = 3 // a product was deleted with all its pictures
	ImageUncertain ImageChangeKind = 4 // an add or a delete may have happened: it occupies capacity until reconciled
)

// ImageChange is what happened to the images of an instance (D28). It is
// journalled before the last byte of the response leaves the gateway.
type ImageChange struct {
	Image
	Kind ImageChangeKind
}
