// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {LoggedReceipt, Receipts} from "../Receipts.sol";

/// @title An example of a contract that acts on a receipt: it pays a provider once one receipt stands in its anchored log
/// @notice Its maker has read the receipt and names it by its digest: a contract can't read what a receipt says.
contract Bounty {
    /// @notice It is another receipt than the one that is paid for.
    /// @param provider Its provider.
    /// @param paeDigest Its digest.
    error BountyOtherReceipt(address provider, bytes32 paeDigest);
    /// @notice It was paid already.
    error BountyPaid();
    /// @notice The provider's account doesn't take the money.
    error BountyNotTaken();

    /// @notice What checks receipts.
    Receipts public immutable receipts;

    /// @notice Who is paid.
    address payable public immutable provider;

    /// @notice Which receipt is paid for: SHA-256 of its pre-authentication encoding.
    bytes32 public immutable paeDigest;

    /// @param receipts_ What checks receipts.
    /// @param provider_ Who is paid.
    /// @param paeDigest_ For which receipt.
    constructor(Receipts receipts_, address payable provider_, bytes32 paeDigest_) payable {
        (receipts, provider, paeDigest) = (receipts_, provider_, paeDigest_);
    }

    /// @notice Pay the provider all that is here; anybody may bring the receipt.
    /// @param receipt The receipt with its proof.
    function claim(LoggedReceipt calldata receipt) external {
        if (receipt.provider != provider || receipt.paeDigest != paeDigest) {
            revert BountyOtherReceipt(receipt.provider, receipt.paeDigest);
        }
        receipts.check(receipt);
        if (address(this).balance == 0) revert BountyPaid();
        (bool taken, ) = provider.call{value: address(this).balance}("");
        if (!taken) revert BountyNotTaken();
    }
}
