// SPDX-License-Identifier: Apache-2.0

// Interop reads what tally published with other people's code only:
// golang.org/x/mod/sumdb, note and tlog.
//
//	interop PUBLIC VKEY [SIZE:HEX ...]
//	interop consistency VKEY FILE
//	interop proofs <PROOFS
//
// It opens PUBLIC/checkpoint with the key, reads the tree from its tiles (tlog
// checks each against the root), checks a record proof of every entry of the
// bundles and a tree proof from every SIZE with root HEX.  PROOFS is what
// proofs.c prints: each proof must hold, and none that was changed.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, what+":", err)
	os.Exit(1)
}

// groups writes an index as c2sp.org/tlog-tiles does.
func groups(n int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	return text
}

func file(public, kind string, n int64, width int) ([]byte, error) {
	path := filepath.Join(public, "tile", kind, groups(n))
	if width < 256 {
		path += ".p/" + strconv.Itoa(width)
	}
	return os.ReadFile(path)
}

type reader struct{ public string }

func (r reader) Height() int { return 8 }

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, t := range tiles {
		bytes, err := file(r.public, strconv.Itoa(t.L), t.N, t.W)
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

func parse(text string) tlog.Tree {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		fail("checkpoint", fmt.Errorf("not three lines"))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		fail("size", err)
	}
	tree := tlog.Tree{N: size}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || copy(tree.Hash[:], root) != len(tree.Hash) {
		fail("root", fmt.Errorf("%q", lines[2]))
	}
	return tree
}

// records checks a proof of every entry of every bundle.
func records(public string, tree tlog.Tree, hashes tlog.HashReader) {
	for at := int64(0); at < tree.N; {
		width := tree.N - at
		if width > 256 {
			width = 256
		}
		bundle, err := file(public, "entries", at/256, int(width))
		if err != nil {
			fail("bundle", err)
		}
		for i := int64(0); i < width; i++ {
			length := binary.BigEndian.Uint16(bundle)
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			proof, err := tlog.ProveRecord(tree.N, at, hashes)
			if err != nil {
				fail("prove record", err)
			}
			err = tlog.CheckRecord(proof, tree.N, tree.Hash, at,
				tlog.RecordHash(entry))
			if err != nil {
				fail(fmt.Sprint("record ", at), err)
			}
			at++
		}
		if len(bundle) != 0 {
			fail("bundle", fmt.Errorf("bytes behind the last entry"))
		}
	}
}

func growth(old string, tree tlog.Tree, hashes tlog.HashReader) {
	var root tlog.Hash
	parts := strings.SplitN(old, ":", 2)
	size, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		fail("size", err)
	}
	if n, err := hex.Decode(root[:], []byte(parts[1])); err != nil || n != 32 {
		fail("root", fmt.Errorf("%q", old))
	}
	proof, err := tlog.ProveTree(tree.N, size, hashes)
	if err != nil {
		fail("prove tree", err)
	}
	if err = tlog.CheckTree(proof, tree.N, tree.Hash, size, root); err != nil {
		fail("tree "+old, err)
	}
}

// consistency judges what "tally consistency" printed (doc/format.md, section
// 9): a tree proof, and the two checkpoints that it is about.
func consistency(name string, verifier note.Verifier) {
	bytes, err := os.ReadFile(name)
	if err != nil {
		fail("consistency", err)
	}
	// The hashes, then text and signatures of each checkpoint.
	parts := strings.Split(string(bytes), "\n\n")
	if len(parts) != 6 || parts[5] != "" {
		fail("consistency", fmt.Errorf("%d parts", len(parts)))
	}
	var proof tlog.TreeProof
	for _, line := range strings.Split(parts[0], "\n")[1:] {
		var hash tlog.Hash
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil || copy(hash[:], raw) != len(hash) {
			fail("consistency: "+line, err)
		}
		proof = append(proof, hash)
	}
	var trees [2]tlog.Tree
	for i := range trees {
		opened, err := note.Open([]byte(parts[1+2*i]+"\n\n"+parts[2+2*i]+"\n"),
			note.VerifierList(verifier))
		if err != nil {
			fail("consistency: note", err)
		}
		trees[i] = parse(opened.Text)
	}
	err = tlog.CheckTree(proof, trees[1].N, trees[1].Hash, trees[0].N, trees[0].Hash)
	if err != nil {
		fail("consistency", err)
	}
	fmt.Println("accepted", trees[0].N, trees[1].N)
}

func hashes(words []string) []tlog.Hash {
	list := make([]tlog.Hash, len(words))
	for i, word := range words {
		if n, err := hex.Decode(list[i][:], []byte(word)); err != nil || n != 32 {
			fail("hash", fmt.Errorf("%q", word))
		}
	}
	return list
}

// changed calls with every proof that differs in one hash, by one bit, or by
// length; and, last, with what it proves changed by one bit.
func changed(proof []tlog.Hash, roots []*tlog.Hash, try func([]tlog.Hash)) {
	again := func() []tlog.Hash { return append([]tlog.Hash(nil), proof...) }
	for i := range proof {
		for bit := i % 8; bit < 256; bit += 61 {
			other := again()
			other[i][bit/8] ^= 1 << (bit % 8)
			try(other)
		}
		try(append(again()[:i], proof[i+1:]...))
		if i > 0 && proof[i] != proof[i-1] {
			other := again()
			other[i], other[i-1] = other[i-1], other[i]
			try(other)
		}
	}
	try(append(again(), tlog.Hash{}))
	for _, root := range roots {
		for bit := 0; bit < 256; bit += 51 {
			root[bit/8] ^= 1 << (bit % 8)
			try(again())
			root[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// proofs judges what proofs.c printed.
func proofs() {
	accepted, rejected := 0, 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		size, _ := strconv.ParseInt(words[1], 10, 64)
		at, _ := strconv.ParseInt(words[2], 10, 64)
		root := hashes(words[3:4])[0]
		proof := hashes(words[5:])
		var first tlog.Hash
		var check func([]tlog.Hash) error
		switch words[0] {
		case "inclusion":
			data, err := hex.DecodeString(words[4])
			if err != nil {
				fail("leaf", err)
			}
			first = tlog.RecordHash(data)
			check = func(p []tlog.Hash) error {
				return tlog.CheckRecord(p, size, root, at, first)
			}
		case "consistency":
			first = hashes(words[4:5])[0]
			check = func(p []tlog.Hash) error {
				return tlog.CheckTree(p, size, root, at, first)
			}
		default:
			fail("line", fmt.Errorf("%q", words[0]))
		}
		if err := check(proof); err != nil {
			fail(lines.Text(), err)
		}
		accepted++
		changed(proof, []*tlog.Hash{&root, &first}, func(p []tlog.Hash) {
			if check(p) == nil {
				fail(lines.Text(), fmt.Errorf("it holds though changed"))
			}
			rejected++
		})
	}
	if err := lines.Err(); err != nil {
		fail("proofs", err)
	}
	fmt.Println("accepted", accepted, "rejected", rejected)
}

func main() {
	public := os.Args[1]
	if public == "proofs" {
		proofs()
		return
	}
	if public == "consistency" {
		verifier, err := note.NewVerifier(os.Args[2])
		if err != nil {
			fail("key", err)
		}
		consistency(os.Args[3], verifier)
		return
	}
	verifier, err := note.NewVerifier(os.Args[2])
	if err != nil {
		fail("key", err)
	}
	bytes, err := os.ReadFile(filepath.Join(public, "checkpoint"))
	if err != nil {
		fail("checkpoint", err)
	}
	opened, err := note.Open(bytes, note.VerifierList(verifier))
	if err != nil {
		fail("note", err)
	}
	tree := parse(opened.Text)
	hashes := tlog.TileHashReader(tree, reader{public})
	records(public, tree, hashes)
	for _, old := range os.Args[3:] {
		growth(old, tree, hashes)
	}
	fmt.Println("accepted", tree.N)
}
