package file

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/headwater-sre/headwater/topology"
)

// Load reads files and merges them in the order given. Files that cannot be read and
// those that are wrong are all reported together; conflicts between files name both
// places.
func Load(paths ...string) (topology.Spec, error) {
	if len(paths) == 0 {
		return topology.Spec{}, errors.New("no topology files given; list at least one")
	}
	contents := make([][]byte, len(paths))
	docs := make([]*document, len(paths))
	var errs []error
	for i, path := range paths {
		var err error
		if contents[i], err = read(path); err == nil {
			docs[i], err = parse(path, contents[i])
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return topology.Spec{}, err
	}
	return merge(docs, contents)
}

// read stops just past the limit; parse then says which.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read topology: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read topology: %w", err)
	}
	return data, nil
}

func merge(docs []*document, contents [][]byte) (topology.Spec, error) {
	if err := check(docs); err != nil {
		return topology.Spec{}, err
	}
	spec := topology.Spec{Version: version(contents)}
	for _, d := range docs {
		spec.Services = append(spec.Services, d.services...)
		spec.Dependencies = append(spec.Dependencies, d.dependencies...)
		spec.Groups = append(spec.Groups, d.groups...)
	}
	return spec, nil
}

// version is a digest of the contents in order, each with its length before it.
func version(contents [][]byte) string {
	h := sha256.New()
	for _, c := range contents {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(c)))
		h.Write(size[:])
		h.Write(c)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
