package body

import "time"

// Fields are the members of an object that are read, by key. Each reads its value.
type Fields map[string]func() error

// Fields reads an object and skips the keys that f has not; null counts as an empty one.
func (r *Reader) Fields(f Fields) error {
	if r.Null() {
		return nil
	}
	return r.Object(func(key string) error {
		if read, ok := f[key]; ok {
			return read()
		}
		return r.Skip()
	})
}

// Text reads a string into into. It is for what is only shown to people: a value of
// another type is skipped, because nothing should be refused over it.
func (r *Reader) Text(into *string) func() error {
	return func() (err error) {
		if !r.IsString() {
			return r.Skip()
		}
		*into, err = r.String()
		return err
	}
}

// Moment reads a time into into, as [Reader.Time] does.
func (r *Reader) Moment(into *time.Time) func() error {
	return func() (err error) {
		*into, err = r.Time()
		return err
	}
}

// Raw reads a value of any kind and returns its text.
func (r *Reader) Raw() (string, error) {
	start := r.Offset()
	if err := r.Skip(); err != nil {
		return "", err
	}
	return r.text[start:r.pos], nil
}
