// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Anchor} from "./Anchor.sol";
import {Providers} from "./Providers.sol";

/// @notice A receipt as its provider signed and logged it.
/// @param provider Whose log it stands in.
/// @param paeDigest SHA-256 of the envelope's pre-authentication encoding (DSSE v1.0.2).
/// @param index Its place in the log, from 0.
/// @param size Size of the log that the proof is for.
/// @param proof Inclusion path of RFC 9162, the leaf's sibling first.
/// @param r The first half of the secp256k1 signature over the digest.
/// @param s The second half, in the lower half of the curve's order.
/// @param v 27 or 28.
struct LoggedReceipt {
    address provider;
    bytes32 paeDigest;
    uint64 index;
    uint64 size;
    bytes32[] proof;
    bytes32 r;
    bytes32 s;
    uint8 v;
}

/// @title Checks receipts, so that other contracts can act on them
/// @notice A receipt is good when an account signed it that its provider had published for that, and it stands in the
/// log that the provider anchored; the account's keys are judged at the time of the anchor, as `receipt verify` does.
/// Not checked here: what the receipt says, its P-256 signature, and whether the root was also signed as a checkpoint.
/// @dev The escrow keeps only the newest root of a log. Whoever needs a proof to stay good when the log grows, or a
/// receipt to stay good when its keys are replaced, has the root kept here first.
contract Receipts {
    /// @notice No root of that log with that size is known here.
    /// @param provider Whose log.
    /// @param size The size asked for.
    error ReceiptsRootUnknown(address provider, uint64 size);
    /// @notice The entry isn't in the log.
    /// @param index Where it should be.
    /// @param size Size of the log.
    error ReceiptsNotIncluded(uint64 index, uint64 size);
    /// @notice The signature has no form that is accepted: v is 27 or 28, s in the lower half.
    error ReceiptsBadSignature();
    /// @notice The account that signed was no signer of the provider when the root was anchored.
    /// @param provider The provider.
    /// @param signer Who signed: anybody, if the signature is over other bytes.
    /// @param time When the root was anchored, unix time.
    error ReceiptsNotSigner(address provider, address signer, uint48 time);

    /// @notice A root was kept.
    /// @param provider Whose log.
    /// @param size Number of log entries under it.
    /// @param root Merkle tree hash over them.
    event RootKept(address indexed provider, uint64 indexed size, bytes32 root);

    bytes private constant ENTRY_TAG = "sealroom-receipt-v1\n";

    /// @notice Where logs are anchored.
    Anchor public immutable anchors;

    /// @notice Where providers publish their keys.
    Providers public immutable providers;

    mapping(address provider => mapping(uint64 size => Anchor.Head head)) private _kept;

    /// @param anchors_ The escrow, which holds the newest roots.
    /// @param providers_ The keys.
    constructor(Anchor anchors_, Providers providers_) {
        (anchors, providers) = (anchors_, providers_);
    }

    /// @notice Keep the newest root of a provider, so that proofs for its size stay good; anybody may.
    /// @param provider Whose log.
    /// @return head What is kept.
    function keep(address provider) external returns (Anchor.Head memory head) {
        head = anchors.getAnchor(provider);
        if (head.root == 0) revert ReceiptsRootUnknown(provider, head.size);
        _kept[provider][head.size] = head;
        emit RootKept(provider, head.size, head.root);
    }

    /// @notice Check a receipt; reverts unless it is good.
    /// @param receipt The receipt, with the proof for the newest size of its log or for one that is kept.
    /// @return head The root that it stands under: anchored at `head.time`, so made before that.
    function check(LoggedReceipt calldata receipt) external view returns (Anchor.Head memory head) {
        head = getRoot(receipt.provider, receipt.size);
        bytes32 leaf = sha256(abi.encodePacked(bytes1(0x00), ENTRY_TAG, receipt.paeDigest));
        if (!isIncluded(leaf, receipt.index, receipt.size, receipt.proof, head.root)) {
            revert ReceiptsNotIncluded(receipt.index, receipt.size);
        }
        (address signer, ECDSA.RecoverError problem, ) = ECDSA.tryRecover(
            receipt.paeDigest,
            receipt.v,
            receipt.r,
            receipt.s
        );
        if (problem != ECDSA.RecoverError.NoError) revert ReceiptsBadSignature();
        if (!providers.isSigner(receipt.provider, signer, head.time, head.blockNumber)) {
            revert ReceiptsNotSigner(receipt.provider, signer, head.time);
        }
    }

    /// @notice The root of a log at a size: the newest, or one that was kept.
    /// @param provider Whose log.
    /// @param size Number of log entries.
    /// @return head The root, and when and in which block it was anchored.
    function getRoot(address provider, uint64 size) public view returns (Anchor.Head memory head) {
        head = anchors.getAnchor(provider);
        if (head.size != size) head = _kept[provider][size];
        if (head.root == 0) revert ReceiptsRootUnknown(provider, size);
    }

    /// @notice Whether a leaf stands in a log (RFC 9162, 2.1.3.2).
    /// @param leaf Hash of the entry as a leaf.
    /// @param index Its place, from 0.
    /// @param size Number of log entries.
    /// @param proof Inclusion path, the leaf's sibling first.
    /// @param root Merkle tree hash of the log.
    /// @return Never for a path of another length than this place and size have.
    function isIncluded(
        bytes32 leaf,
        uint64 index,
        uint64 size,
        bytes32[] calldata proof,
        bytes32 root
    ) public pure returns (bool) {
        if (index >= size) return false;
        (uint64 node, uint64 last) = (index, size - 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            if (last == 0) return false;
            if (node & 1 == 1 || node == last) {
                leaf = _hashPair(proof[i], leaf);
                while (node & 1 == 0 && node != 0) (node, last) = (node >> 1, last >> 1);
            } else {
                leaf = _hashPair(leaf, proof[i]);
            }
            (node, last) = (node >> 1, last >> 1);
        }
        return last == 0 && leaf == root;
    }

    function _hashPair(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
