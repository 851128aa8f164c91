// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Datatoken} from "./Datatoken.sol";
import {Escrow} from "./Escrow.sol";

/// @notice What an owner registers.
/// @param kind What the asset is: 1 is a dataset; other numbers are free for later kinds.
/// @param maxDeadline The longest that an order may stay open, in seconds.
/// @param providerShareBps What the provider keeps of the price, in basis points (1/10,000).
/// @param communityShareBps What `community` receives of the price, in basis points; zero without one.
/// @param provider The account of the service beside the data.
/// @param price Price of one job, in units of the payment token; zero is free.
/// @param paymentToken The ERC-20 that pays.
/// @param community Who receives the community's share; zero for nobody.
/// @param cap The most units of the datatoken that a sale or a gift lets circulate; zero is no cap.
/// @param commitment Merkle root over the asset's files.
/// @param metadataDigest SHA-256 of the public description.
/// @param policyDigest SHA-256 of the policy.
/// @param uri Where the description is served; up to 31 bytes cost one storage slot.
struct AssetTerms {
    uint8 kind;
    uint40 maxDeadline;
    uint16 providerShareBps;
    uint16 communityShareBps;
    address provider;
    uint96 price;
    address paymentToken;
    address community;
    uint128 cap;
    bytes32 commitment;
    bytes32 metadataDigest;
    bytes32 policyDigest;
    string uri;
}

/// @notice An asset as the registry shows it.
/// @param owner Who holds the data NFT now.
/// @param datatoken The asset's access token.
/// @param retired Whether it takes no more approvals and orders.
/// @param consumersRoot Merkle root of the accounts that may order; zero is anyone.
/// @param terms What was registered, with the current price and policy.
struct AssetView {
    address owner;
    address datatoken;
    bool retired;
    bytes32 consumersRoot;
    AssetTerms terms;
}

/// @notice What the escrow must know to sell one job.
/// @param provider Who runs it.
/// @param price Units of the payment token.
/// @param paymentToken The ERC-20 that pays.
/// @param maxDeadline The longest that an order may stay open, in seconds.
struct Sale {
    address provider;
    uint96 price;
    address paymentToken;
    uint40 maxDeadline;
}

/// @notice Who is paid for a job.
/// @param owner The holder of the data NFT now.
/// @param provider Who runs it.
/// @param paymentToken The ERC-20 that pays.
/// @param providerShareBps The provider's part, in basis points.
/// @param communityShareBps The community's part, in basis points.
/// @param community Who receives it; zero when the part is zero.
struct Payout {
    address owner;
    address provider;
    address paymentToken;
    uint16 providerShareBps;
    uint16 communityShareBps;
    address community;
}

/// @notice An owner's word on one algorithm digest; times are unix seconds, zero is never.
/// @param approvedAt When it was approved.
/// @param expiresAt From when it no longer holds.
/// @param revokedAt When it was revoked.
struct AlgorithmApproval {
    uint48 approvedAt;
    uint48 expiresAt;
    uint48 revokedAt;
}

/// @title Assets (data NFTs), their terms, and which algorithm digests their owners approved
/// @notice Only the holder of a data NFT changes its asset. An ERC-721 operator may move the token, not the terms.
/// @dev The constructor creates the escrow and the datatoken implementation, so that the three can't be wired wrongly
/// and nobody has a setter. A datatoken's address follows from the token id, and costs no storage.
contract Registry is ERC721 {
    /// @dev As stored: five slots, and the URI. What few assets have (a community, a cap, an allow-list) stands in
    /// mappings of its own, which the others neither write nor read.
    struct Asset {
        address provider;
        uint96 price;
        address paymentToken;
        uint40 maxDeadline;
        uint16 providerShareBps;
        uint16 communityShareBps;
        uint8 kind;
        bool retired;
        bool listed; // only the accounts under `_consumers` may order
        bytes32 commitment;
        bytes32 metadataDigest;
        bytes32 policyDigest;
        string uri;
    }

    /// @notice Somebody other than the owner tried to change an asset.
    /// @param tokenId The asset.
    /// @param caller Who tried.
    error RegistryNotOwner(uint256 tokenId, address caller);
    /// @notice There is no such asset.
    /// @param tokenId The number that was asked for.
    error RegistryNoSuchAsset(uint256 tokenId);
    /// @notice The asset is retired.
    /// @param tokenId The asset.
    error RegistryAssetRetired(uint256 tokenId);
    /// @notice An address or digest that must be set is zero.
    /// @param field Its name.
    error RegistryZeroValue(string field);
    /// @notice The payment token has no code.
    /// @param token Its address.
    error RegistryTokenMissing(address token);
    /// @notice Provider and community would receive more than the whole.
    /// @param shareBps What was asked for both, in basis points.
    error RegistryShareTooLarge(uint256 shareBps);
    /// @notice An approval that would end before it begins.
    /// @param expiresAt The end asked for.
    /// @param time The block's time.
    error RegistryExpiryPast(uint48 expiresAt, uint256 time);
    /// @notice The algorithm digest isn't approved for the asset, or no longer.
    /// @param tokenId The asset.
    /// @param algorithm The digest.
    error RegistryNotApproved(uint256 tokenId, bytes32 algorithm);
    /// @notice The approval has expired.
    /// @param tokenId The asset.
    /// @param algorithm The digest.
    /// @param expiresAt When it ended.
    error RegistryApprovalExpired(uint256 tokenId, bytes32 algorithm, uint48 expiresAt);
    /// @notice The account isn't on the asset's allow-list, or the proof doesn't show it.
    /// @param tokenId The asset.
    /// @param consumer Who wants to order or buy.
    error RegistryNotListed(uint256 tokenId, address consumer);

    /// @notice An asset was registered.
    /// @param tokenId The asset.
    /// @param owner Who holds the data NFT.
    /// @param provider The provider.
    /// @param commitment Merkle root over the asset's files.
    /// @param policyDigest SHA-256 of the policy.
    /// @param datatoken The asset's access token.
    event Registered(
        uint256 indexed tokenId,
        address indexed owner,
        address indexed provider,
        bytes32 commitment,
        bytes32 policyDigest,
        address datatoken
    );
    /// @notice The price of one job changed.
    /// @param tokenId The asset.
    /// @param price The price asked, in units of the payment token.
    event PriceChanged(uint256 indexed tokenId, uint96 price);
    /// @notice The policy changed.
    /// @param tokenId The asset.
    /// @param policyDigest SHA-256 of the policy.
    /// @param previousDigest What stood before.
    event PolicyChanged(uint256 indexed tokenId, bytes32 policyDigest, bytes32 previousDigest);
    /// @notice Who may order changed.
    /// @param tokenId The asset.
    /// @param root Merkle root of the accounts that may order; zero is anyone.
    /// @param previousRoot What stood before.
    event ConsumersChanged(uint256 indexed tokenId, bytes32 root, bytes32 previousRoot);
    /// @notice The asset was retired, for good.
    /// @param tokenId The asset.
    event Retired(uint256 indexed tokenId);
    /// @notice An algorithm digest was approved for an asset until `expiresAt`.
    /// @param tokenId The asset.
    /// @param algorithm SHA-256 of the algorithm bundle.
    /// @param expiresAt Unix time from which it no longer holds.
    event AlgorithmApproved(uint256 indexed tokenId, bytes32 indexed algorithm, uint48 expiresAt);
    /// @notice An approval was revoked.
    /// @param tokenId The asset.
    /// @param algorithm SHA-256 of the algorithm bundle.
    event AlgorithmRevoked(uint256 indexed tokenId, bytes32 indexed algorithm);

    /// @notice The escrow that sells jobs on these assets.
    Escrow public immutable escrow;

    /// @notice The contract that every datatoken is a clone of.
    address public immutable datatokenImplementation;

    /// @notice How many assets were ever registered; their ids are 1 to this.
    uint256 public assetCount;

    /// @notice The most units of an asset's datatoken that a sale or a gift lets circulate; zero is no cap.
    mapping(uint256 tokenId => uint128 cap) public capOf;

    mapping(uint256 tokenId => Asset asset) private _assets;
    mapping(uint256 tokenId => address community) private _communities;
    mapping(uint256 tokenId => bytes32 root) private _consumers;
    mapping(uint256 tokenId => mapping(bytes32 algorithm => AlgorithmApproval approval)) private _approvals;

    constructor() ERC721("Sealroom Asset", "SEALROOM") {
        escrow = new Escrow(this);
        datatokenImplementation = address(new Datatoken(this, escrow));
    }

    // Owner ---------------------------------------------------------------------------------------------------------

    /// @notice Register an asset: mint its data NFT to the caller and create its datatoken.
    /// @param terms What is registered.
    /// @return tokenId The asset's number.
    function register(AssetTerms calldata terms) external returns (uint256 tokenId) {
        _checkTerms(terms);
        tokenId = ++assetCount;
        _assets[tokenId] = Asset({
            provider: terms.provider,
            price: terms.price,
            paymentToken: terms.paymentToken,
            maxDeadline: terms.maxDeadline,
            providerShareBps: terms.providerShareBps,
            communityShareBps: terms.communityShareBps,
            kind: terms.kind,
            retired: false,
            listed: false,
            commitment: terms.commitment,
            metadataDigest: terms.metadataDigest,
            policyDigest: terms.policyDigest,
            uri: terms.uri
        });
        if (terms.communityShareBps != 0) _communities[tokenId] = terms.community;
        if (terms.cap != 0) capOf[tokenId] = terms.cap;
        _mint(msg.sender, tokenId);
        address datatoken = Clones.cloneDeterministicWithImmutableArgs(
            datatokenImplementation,
            abi.encode(tokenId),
            bytes32(tokenId)
        );
        emit Registered(tokenId, msg.sender, terms.provider, terms.commitment, terms.policyDigest, datatoken);
    }

    /// @notice Set the price of one job; orders already placed keep theirs.
    /// @param tokenId The asset.
    /// @param price Units of the payment token.
    function setPrice(uint256 tokenId, uint96 price) external {
        _checkOwner(tokenId);
        _assets[tokenId].price = price;
        emit PriceChanged(tokenId, price);
    }

    /// @notice Set the policy.
    /// @param tokenId The asset.
    /// @param policyDigest SHA-256 of the policy.
    function setPolicy(uint256 tokenId, bytes32 policyDigest) external {
        _checkOwner(tokenId);
        if (policyDigest == 0) revert RegistryZeroValue("policyDigest");
        bytes32 previous = _assets[tokenId].policyDigest;
        _assets[tokenId].policyDigest = policyDigest;
        emit PolicyChanged(tokenId, policyDigest, previous);
    }

    /// @notice Set who may order and buy; open orders end as they would.
    /// @param tokenId The asset.
    /// @param root Merkle root over keccak256(keccak256(abi.encode(account))), pairs hashed in order of value; zero lets
    /// anyone in.
    function setConsumers(uint256 tokenId, bytes32 root) external {
        _checkOwner(tokenId);
        bytes32 previousRoot = _consumers[tokenId];
        _consumers[tokenId] = root;
        _assets[tokenId].listed = root != 0;
        emit ConsumersChanged(tokenId, root, previousRoot);
    }

    /// @notice Retire the asset for good: it takes no more approvals, orders or sales. Open orders end as they would.
    /// @param tokenId The asset.
    function retire(uint256 tokenId) external {
        _checkOwner(tokenId);
        _checkLive(tokenId);
        _assets[tokenId].retired = true;
        emit Retired(tokenId);
    }

    /// @notice Approve an algorithm digest until `expiresAt`; approving anew replaces what stood.
    /// @dev Not named `approve`, which is ERC-721's.
    /// @param tokenId The asset.
    /// @param algorithm SHA-256 of the algorithm bundle.
    /// @param expiresAt Unix time from which it no longer holds.
    function approveAlgorithm(uint256 tokenId, bytes32 algorithm, uint48 expiresAt) external {
        _checkOwner(tokenId);
        _checkLive(tokenId);
        if (algorithm == 0) revert RegistryZeroValue("algorithm");
        if (expiresAt <= block.timestamp) revert RegistryExpiryPast(expiresAt, block.timestamp);
        _approvals[tokenId][algorithm] = AlgorithmApproval(uint48(block.timestamp), expiresAt, 0);
        emit AlgorithmApproved(tokenId, algorithm, expiresAt);
    }

    /// @notice Revoke an approval now.
    /// @param tokenId The asset.
    /// @param algorithm SHA-256 of the algorithm bundle.
    function revokeAlgorithm(uint256 tokenId, bytes32 algorithm) external {
        _checkOwner(tokenId);
        _checkGiven(tokenId, algorithm);
        _approvals[tokenId][algorithm].revokedAt = uint48(block.timestamp);
        emit AlgorithmRevoked(tokenId, algorithm);
    }

    /// @notice Give datatokens away, for example to a research partner.
    /// @param tokenId The asset.
    /// @param to Who receives them.
    /// @param amount Units; 10^18 are one job.
    function mintDatatoken(uint256 tokenId, address to, uint256 amount) external {
        _checkOwner(tokenId);
        _checkLive(tokenId);
        Datatoken(datatokenOf(tokenId)).mint(to, amount);
    }

    // Views ---------------------------------------------------------------------------------------------------------

    /// @notice Everything about an asset.
    /// @param tokenId The asset.
    /// @return The asset; reverts when there is none.
    function getAsset(uint256 tokenId) external view returns (AssetView memory) {
        _checkExists(tokenId);
        Asset storage asset = _assets[tokenId];
        AssetTerms memory terms = AssetTerms({
            kind: asset.kind,
            maxDeadline: asset.maxDeadline,
            providerShareBps: asset.providerShareBps,
            communityShareBps: asset.communityShareBps,
            provider: asset.provider,
            price: asset.price,
            paymentToken: asset.paymentToken,
            community: _communities[tokenId],
            cap: capOf[tokenId],
            commitment: asset.commitment,
            metadataDigest: asset.metadataDigest,
            policyDigest: asset.policyDigest,
            uri: asset.uri
        });
        return AssetView(ownerOf(tokenId), datatokenOf(tokenId), asset.retired, _consumers[tokenId], terms);
    }

    /// @notice The latest approval of one algorithm.
    /// @param tokenId The asset.
    /// @param algorithm SHA-256 of the algorithm bundle.
    /// @return All zero when it was never approved.
    function getApproval(uint256 tokenId, bytes32 algorithm) external view returns (AlgorithmApproval memory) {
        return _approvals[tokenId][algorithm];
    }

    /// @notice Whether an algorithm may be ordered on an asset now.
    /// @param tokenId The asset.
    /// @param algorithm SHA-256 of the algorithm bundle.
    /// @return True when it is approved, neither revoked nor expired, and the asset is not retired.
    function isApproved(uint256 tokenId, bytes32 algorithm) external view returns (bool) {
        AlgorithmApproval storage approval = _approvals[tokenId][algorithm];
        bool given = approval.approvedAt != 0 && approval.revokedAt == 0;
        return given && block.timestamp < approval.expiresAt && !_assets[tokenId].retired;
    }

    /// @notice What one job costs now; the only place that decides whether somebody can order a job.
    /// @param tokenId The asset.
    /// @param algorithm SHA-256 of the algorithm bundle.
    /// @param consumer Who orders.
    /// @param proof That the consumer is on the asset's allow-list; plays no part where anyone may order.
    /// @return The terms of sale; reverts when it may not be ordered.
    function getSale(
        uint256 tokenId,
        bytes32 algorithm,
        address consumer,
        bytes32[] calldata proof
    ) external view returns (Sale memory) {
        _checkGiven(tokenId, algorithm);
        uint48 expiresAt = _approvals[tokenId][algorithm].expiresAt;
        if (expiresAt <= block.timestamp) revert RegistryApprovalExpired(tokenId, algorithm, expiresAt);
        return getOffer(tokenId, consumer, proof);
    }

    /// @notice What one datatoken costs now.
    /// @param tokenId The asset.
    /// @param consumer Who buys.
    /// @param proof That the consumer is on the asset's allow-list; plays no part where anyone may buy.
    /// @return The terms of sale; reverts when there is no such asset, it is retired, or this consumer may not buy.
    function getOffer(
        uint256 tokenId,
        address consumer,
        bytes32[] calldata proof
    ) public view returns (Sale memory) {
        Asset storage asset = _assets[tokenId];
        if (asset.provider == address(0)) revert RegistryNoSuchAsset(tokenId);
        _checkLive(tokenId);
        if (asset.listed) _checkListed(tokenId, consumer, proof);
        return Sale(asset.provider, asset.price, asset.paymentToken, asset.maxDeadline);
    }

    /// @notice Who is paid for a job on an asset.
    /// @param tokenId The asset.
    /// @return Owner, token and shares.
    function getPayout(uint256 tokenId) external view returns (Payout memory) {
        Asset storage asset = _assets[tokenId];
        uint16 communityShareBps = asset.communityShareBps;
        return
            Payout({
                owner: ownerOf(tokenId),
                provider: asset.provider,
                paymentToken: asset.paymentToken,
                providerShareBps: asset.providerShareBps,
                communityShareBps: communityShareBps,
                community: communityShareBps == 0 ? address(0) : _communities[tokenId]
            });
    }

    /// @notice The name of an asset outside this contract.
    /// @param tokenId The asset.
    /// @return SHA-256 over chain id (32 bytes), this registry (20 bytes), token id (32 bytes).
    function assetId(uint256 tokenId) external view returns (bytes32) {
        return sha256(abi.encodePacked(block.chainid, address(this), tokenId));
    }

    /// @notice The address of an asset's datatoken.
    /// @param tokenId The asset.
    /// @return Where it is, or would be.
    function datatokenOf(uint256 tokenId) public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(
            datatokenImplementation,
            abi.encode(tokenId),
            bytes32(tokenId)
        );
    }

    /// @inheritdoc ERC721
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _checkExists(tokenId);
        return _assets[tokenId].uri;
    }

    // Checks --------------------------------------------------------------------------------------------------------

    function _checkTerms(AssetTerms calldata terms) private view {
        if (terms.provider == address(0)) revert RegistryZeroValue("provider");
        if (terms.paymentToken == address(0)) revert RegistryZeroValue("paymentToken");
        if (terms.commitment == 0) revert RegistryZeroValue("commitment");
        if (terms.metadataDigest == 0) revert RegistryZeroValue("metadataDigest");
        if (terms.policyDigest == 0) revert RegistryZeroValue("policyDigest");
        if (terms.kind == 0) revert RegistryZeroValue("kind");
        if (terms.maxDeadline == 0) revert RegistryZeroValue("maxDeadline");
        if (terms.paymentToken.code.length == 0) revert RegistryTokenMissing(terms.paymentToken);
        _checkShares(terms);
    }

    function _checkShares(AssetTerms calldata terms) private pure {
        uint256 shareBps = uint256(terms.providerShareBps) + terms.communityShareBps;
        if (shareBps > 10_000) revert RegistryShareTooLarge(shareBps);
        if (terms.community == address(0) && terms.communityShareBps != 0) revert RegistryZeroValue("community");
        if (terms.community != address(0) && terms.communityShareBps == 0) {
            revert RegistryZeroValue("communityShareBps");
        }
    }

    function _checkExists(uint256 tokenId) private view {
        if (_ownerOf(tokenId) == address(0)) revert RegistryNoSuchAsset(tokenId);
    }

    function _checkOwner(uint256 tokenId) private view {
        _checkExists(tokenId);
        if (_ownerOf(tokenId) != msg.sender) revert RegistryNotOwner(tokenId, msg.sender);
    }

    function _checkLive(uint256 tokenId) private view {
        if (_assets[tokenId].retired) revert RegistryAssetRetired(tokenId);
    }

    /// @dev The leaf is hashed twice, so that no inner node of the tree can pass for an account.
    function _checkListed(uint256 tokenId, address consumer, bytes32[] calldata proof) private view {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(consumer))));
        if (!MerkleProof.verifyCalldata(proof, _consumers[tokenId], leaf)) {
            revert RegistryNotListed(tokenId, consumer);
        }
    }

    function _checkGiven(uint256 tokenId, bytes32 algorithm) private view {
        AlgorithmApproval storage approval = _approvals[tokenId][algorithm];
        if (approval.approvedAt == 0 || approval.revokedAt != 0) revert RegistryNotApproved(tokenId, algorithm);
    }
}
