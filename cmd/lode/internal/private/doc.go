// Package private keeps files that their owner alone may read: keys, wallets,
// invitations. It knows nothing of what they hold, and no error says anything of it.
//
// [Create] makes such a file, [Read] takes it back unless others may have read it.
package private
