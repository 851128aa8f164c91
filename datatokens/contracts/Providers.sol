// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @notice The public keys of one provider during one time.
/// @param p256X X of the P-256 service key.
/// @param p256Y Y of the P-256 service key.
/// @param ed25519 The key that signs checkpoints.
/// @param signer The secp256k1 account that signs receipts.
/// @param validFrom Unix time from which the set is valid.
/// @param validUntil Unix time from which it no longer is; zero while it is current.
/// @param revokedAt Unix time of the latest word that it is not to be trusted from `validUntil` on; zero without one.
/// @param validFromBlock Block that published it.
/// @param endpoint Where the provider's service is.
struct KeySet {
    bytes32 p256X;
    bytes32 p256Y;
    bytes32 ed25519;
    address signer;
    uint40 validFrom;
    uint40 validUntil;
    uint40 revokedAt;
    uint48 validFromBlock;
    string endpoint;
}

/// @title Which public keys each provider signs with, and when
/// @notice Append-only: a key set is replaced, revoked from a time on, or closed, and never forgotten.
contract Providers {
    /// @notice A key is zero or not a point of its curve.
    /// @param field Its name.
    error ProvidersBadKey(string field);
    /// @notice The account that signs receipts is the one that sends transactions.
    /// @param signer The secp256k1 account that signs receipts.
    error ProvidersSignerIsSender(address signer);
    /// @notice There is no key set of that number.
    /// @param provider The provider.
    /// @param index The key set's number.
    error ProvidersNoSuchKeys(address provider, uint256 index);
    /// @notice The time isn't within the key set's life up to now.
    /// @param fromTime Unix time from which the keys are not trusted.
    /// @param earliest The earliest unix time allowed.
    /// @param latest The latest unix time allowed.
    error ProvidersTimeOutOfRange(uint40 fromTime, uint40 earliest, uint256 latest);
    /// @notice The provider has closed its log for good.
    /// @param provider The provider.
    /// @param closedAt When it closed, unix time.
    error ProvidersIsClosed(address provider, uint40 closedAt);

    /// @notice A key set was published; the former one, if any, ended.
    /// @param provider The provider.
    /// @param index The key set's number.
    /// @param signer The secp256k1 account that signs receipts.
    /// @param endpoint Where the provider's service is.
    event KeysPublished(address indexed provider, uint256 indexed index, address signer, string endpoint);
    /// @notice A key set is not to be trusted from `fromTime` on.
    /// @param provider The provider.
    /// @param index The key set's number.
    /// @param fromTime Unix time from which the keys are not trusted.
    event KeysRevoked(address indexed provider, uint256 indexed index, uint40 fromTime);
    /// @notice The provider ended its log for good.
    /// @param provider The provider.
    event ProviderClosed(address indexed provider);

    /// @notice When a provider closed, unix time; zero while it is open.
    mapping(address provider => uint40 time) public closedAt;

    mapping(address provider => KeySet[] sets) private _sets;

    /// @notice Publish the caller's keys, which end the former ones now.
    /// @param p256X X of the P-256 service key.
    /// @param p256Y Y of the P-256 service key.
    /// @param signer The secp256k1 account that signs receipts; not the caller.
    /// @param ed25519 The key that signs checkpoints.
    /// @param endpoint Where the provider's service is.
    function publish(
        bytes32 p256X,
        bytes32 p256Y,
        address signer,
        bytes32 ed25519,
        string calldata endpoint
    ) external {
        _checkNotClosed();
        if (!P256.isValidPublicKey(p256X, p256Y)) revert ProvidersBadKey("p256");
        if (signer == address(0)) revert ProvidersBadKey("signer");
        if (ed25519 == 0) revert ProvidersBadKey("ed25519");
        if (signer == msg.sender) revert ProvidersSignerIsSender(signer);
        _end(_sets[msg.sender]);
        uint40 time = uint40(block.timestamp);
        _sets[msg.sender].push(
            KeySet(p256X, p256Y, ed25519, signer, time, 0, 0, uint48(block.number), endpoint)
        );
        emit KeysPublished(msg.sender, _sets[msg.sender].length - 1, signer, endpoint);
    }

    /// @notice Say that a key set of the caller is not to be trusted from `fromTime` on, which may be in the past; when it
    /// was said stays visible, it can't be taken back, and a later call can only set an earlier time.
    /// @param index The key set's number.
    /// @param fromTime Unix time, from the set's first to the end of its life, or now; before that of an earlier call.
    function revoke(uint256 index, uint40 fromTime) external {
        if (index >= _sets[msg.sender].length) revert ProvidersNoSuchKeys(msg.sender, index);
        KeySet storage set = _sets[msg.sender][index];
        uint256 latest = set.validUntil == 0 ? block.timestamp : set.validUntil;
        if (set.revokedAt != 0) --latest;
        if (fromTime < set.validFrom || fromTime > latest) {
            revert ProvidersTimeOutOfRange(fromTime, set.validFrom, latest);
        }
        (set.validUntil, set.revokedAt) = (fromTime, uint40(block.timestamp));
        emit KeysRevoked(msg.sender, index, fromTime);
    }

    /// @notice End the caller's log for good; the last keys end now and none can follow.
    function close() external {
        _checkNotClosed();
        _end(_sets[msg.sender]);
        closedAt[msg.sender] = uint40(block.timestamp);
        emit ProviderClosed(msg.sender);
    }

    /// @notice All key sets of a provider, oldest first.
    /// @param provider Whose.
    /// @return Empty when it never published.
    function getKeys(address provider) external view returns (KeySet[] memory) {
        return _sets[provider];
    }

    /// @notice Whether an account may have signed receipts that were anchored at some time: a key set that names it was in
    /// force then, and none that names it was revoked by then.
    /// @param provider Whose receipts.
    /// @param signer The secp256k1 account.
    /// @param time Unix time of the anchor.
    /// @param blockNumber Block of the anchor.
    /// @dev Looks at every key set, so that a provider that publishes thousands makes its own receipts dear to check.
    /// @return valid Never when the account is in no key set.
    function isSigner(
        address provider,
        address signer,
        uint256 time,
        uint256 blockNumber
    ) external view returns (bool valid) {
        KeySet[] storage sets = _sets[provider];
        for (uint256 i = 0; i < sets.length; ++i) {
            KeySet storage set = sets[i];
            if (set.signer != signer) continue;
            bool ended = set.validUntil != 0 && set.validUntil <= time;
            if (ended && set.revokedAt != 0) return false;
            if (!ended && set.validFrom <= time && set.validFromBlock <= blockNumber) valid = true;
        }
    }

    function _end(KeySet[] storage sets) private {
        if (sets.length == 0) return;
        KeySet storage last = sets[sets.length - 1];
        if (last.validUntil == 0) last.validUntil = uint40(block.timestamp);
    }

    function _checkNotClosed() private view {
        uint40 time = closedAt[msg.sender];
        if (time != 0) revert ProvidersIsClosed(msg.sender, time);
    }
}
