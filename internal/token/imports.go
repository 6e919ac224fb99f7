package token

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// This file is the keys of imported sessions: the secret of one is derived from the
// credential that another library handed out, and what is left to do at that library is
// sealed.

// ImportSecrets returns the first secret of an imported session, as each key of the ring
// derives it, the first key's first. So all processes with a key in common hand out the
// same token for one foreign session. It is HMAC-SHA-256, cut, over a label and the three
// texts.
func (r *Ring) ImportSecrets(app, importer, credential string) [][16]byte {
	list := make([][16]byte, len(r.keys))
	for i := range r.keys {
		k := r.keys[i].imports
		m := k.mac()
		m.text = append(m.text, "cloakroom import secret v1"...)
		for _, s := range []string{app, importer, credential} {
			m.text = appendString(m.text, s)
		}
		sum := k.sum(m)
		list[i] = [16]byte(sum[:])
	}
	return list
}

// errSealed says that a text was not sealed by a key of the ring, or for another session.
var errSealed = errors.New("it was not sealed by a key of the ring for this session")

// Seal encrypts a text for the record of a session, so that a copy of the store doesn't
// show it (AES-256-GCM with a random nonce, under a key of its own). The result is a key's
// hint, the nonce and the sealed text.
func (r *Ring) Seal(app string, id [16]byte, plain []byte) ([]byte, error) {
	k := &r.keys[0]
	aead, err := k.aead()
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte{k.hint}, nil, plain, sealScope(app, id)), nil
}

// Open is the inverse of Seal, by any key of the ring.
func (r *Ring) Open(app string, id [16]byte, sealed []byte) ([]byte, error) {
	for i := range r.keys {
		k := &r.keys[i]
		if len(sealed) == 0 || k.hint != sealed[0] {
			continue
		}
		aead, err := k.aead()
		if err != nil {
			return nil, err
		}
		if plain, err := aead.Open(nil, nil, sealed[1:], sealScope(app, id)); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

func (k *key) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.sealing)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// sealScope is what a sealed text is bound to.
func sealScope(app string, id [16]byte) []byte {
	return append(appendString([]byte("cloakroom import seal v1"), app), id[:]...)
}
